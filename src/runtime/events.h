/* What the zygote waits for: descriptors, and what is to be done about each. */
#ifndef TSFPM_EVENTS_H
#define TSFPM_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

enum tsfpm_source {
    TSFPM_SOURCE_CONTROL, /* the master */
    TSFPM_SOURCE_SIGNAL,  /* SIGCHLD */
    TSFPM_SOURCE_OUTPUT,  /* any worker's stdout or stderr */
    TSFPM_SOURCE_CHANNEL, /* the channel of the worker in `slot` */
};

struct tsfpm_event {
    enum tsfpm_source source;
    uint32_t slot;
};

/* Each of these ends the process where the kernel refuses it. */
void tsfpm_events_prepare(void);
void tsfpm_events_watch(int fd, enum tsfpm_source source, uint32_t slot, bool for_writing);

void tsfpm_events_unwatch(int fd);

#define TSFPM_EVENTS_MOST 64

/* Waits for `timeout_ms`, or with -1 for ever. Returns the number of events; 0 after a signal as well. */
int tsfpm_events_wait(struct tsfpm_event events[TSFPM_EVENTS_MOST], int timeout_ms);

#endif
