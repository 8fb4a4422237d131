/* What zygote.c and channels.c share. */
#ifndef TSFPM_ZYGOTE_H
#define TSFPM_ZYGOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The zygote's own descriptors are numbered from here on, so that a new worker can close all of them at once without
 * touching the ones that PHP's extensions opened and need (opcache's lock file).
 */
#define TSFPM_OWN_FDS_FROM 256

enum tsfpm_source {
    TSFPM_SOURCE_CONTROL,
    TSFPM_SOURCE_SIGNAL,
    TSFPM_SOURCE_STDOUT,
    TSFPM_SOURCE_STDERR,
    TSFPM_SOURCE_CHANNEL,
};

/* zygote.c */
void tsfpm_zygote_watch(int fd, enum tsfpm_source source, uint32_t slot, bool for_writing);
void tsfpm_zygote_send(uint16_t type, int32_t slot, int32_t pid, const void *payload, size_t length);

/* channels.c: the zygote's ends of the workers' channels, by slot */
int tsfpm_channels_prepare(uint32_t slot_count); /* 0, or -1 with errno */
int tsfpm_channel_make(int ends[2]);             /* [0] the zygote's, [1] the worker's; 0, or -1 with errno */
void tsfpm_channel_open(uint32_t slot, pid_t pid, int fd);
void tsfpm_channel_close(uint32_t slot);
void tsfpm_channel_event(uint32_t slot);
void tsfpm_channel_answer(uint32_t slot, const uint8_t *answer, size_t length);
void tsfpm_channels_arm(uint32_t idle_wanted);
void tsfpm_channels_logs_read(void);

#endif
