/* The keeper's work, without its start. */
#ifndef TSFPM_KEEPER_H
#define TSFPM_KEEPER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "../runtime/hand-over.h"

struct tsfpm_keeper_plan {
    int socket_fd; /* K, to the workers */
    struct tsfpm_keeper_page *page;
    uint32_t descriptor_limit; /* RLIMIT_NOFILE */
    uint32_t most; /* connections held at once; fewer than descriptors, so that one more can be received */
    volatile sig_atomic_t *is_finishing; /* close what is idle, pass on what is ready, take no more, and end */
};

/* Returns 0, or -1 with errno. */
int tsfpm_keeper_begin(const struct tsfpm_keeper_plan *plan);

/*
 * Waits for at most so long (ms; -1: for ever) while `mask` is the mask of signals, and does what there is to do.
 * Returns false where its work is over.
 */
bool tsfpm_keeper_turn(int timeout_ms, const sigset_t *mask);

#endif
