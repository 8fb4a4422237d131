/* The zygote's ends of the workers' channels, by slot. */
#ifndef TSFPM_CHANNELS_H
#define TSFPM_CHANNELS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int tsfpm_channels_prepare(uint32_t slot_count); /* 0, or -1 with errno */
int tsfpm_channel_make(int ends[2]);             /* [0] the zygote's, [1] the worker's; 0, or -1 with errno */
void tsfpm_channel_open(uint32_t slot, pid_t pid, int fd);
void tsfpm_channel_close(uint32_t slot);
void tsfpm_channel_event(uint32_t slot);
void tsfpm_channel_answer(uint32_t slot, const uint8_t *answer, size_t length);
void tsfpm_channels_arm(uint32_t idle_wanted);
void tsfpm_channels_logs_read(void);

#endif
