/* The zygote's loop, and what channels.c and forward.c use of it. */
#ifndef TSFPM_ZYGOTE_H
#define TSFPM_ZYGOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum tsfpm_source {
    TSFPM_SOURCE_CONTROL,
    TSFPM_SOURCE_SIGNAL,
    TSFPM_SOURCE_OUTPUT,
    TSFPM_SOURCE_CHANNEL,
};

/* Never returns in the zygote; returns 0 in each worker, as fork() does. */
pid_t tsfpm_zygote_run(void);

void tsfpm_zygote_watch(int fd, enum tsfpm_source source, uint32_t slot, bool for_writing);
void tsfpm_zygote_unwatch(int fd);
void tsfpm_zygote_send(uint16_t type, int32_t slot, int32_t pid, const void *payload, size_t length);

#endif
