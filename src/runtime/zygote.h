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
    TSFPM_SOURCE_OUTPUT,
    TSFPM_SOURCE_CHANNEL,
};

/* zygote.c */
void tsfpm_zygote_watch(int fd, enum tsfpm_source source, uint32_t slot, bool for_writing);
void tsfpm_zygote_unwatch(int fd);
int tsfpm_zygote_move_up(int fd); /* to a number of the zygote's own */
void tsfpm_zygote_close_descriptors(void); /* its own, in a process that it has forked */
void tsfpm_zygote_send(uint16_t type, int32_t slot, int32_t pid, const void *payload, size_t length);

/* forward.c: the zygote's ends of the workers' pipes, by slot */
int tsfpm_forward_prepare(uint32_t slot_count);                         /* 0, or -1 with errno */
int tsfpm_forward_open(uint32_t slot, pid_t pid, int stdout_end, int stderr_end); /* the same; both are forward.c's now */
void tsfpm_forward_event(void);
int tsfpm_forward_wait_ms(void);        /* when it is to be called again, for a pause to end; -1: there is none */
bool tsfpm_forward_last(uint32_t slot); /* its worker has ended; true once what it printed is on its way, or given up */

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
