/* Forking a worker, or an errand. */
#ifndef TSFPM_SPAWN_H
#define TSFPM_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "settings.h"

/*
 * Forks a worker for a free slot. It accepts on `listen_fd`; a probe serves the master alone and counts for nothing.
 * Returns 0 in the worker, its pid in the zygote, -1 with errno.
 */
pid_t tsfpm_spawn(uint32_t slot, int listen_fd, bool is_probe, const struct tsfpm_settings *settings);

/*
 * Forks an errand (errand.c), with a new worker's identity, for the master at the other end of `connection`. It has no
 * slot, prints nothing, and counts for nothing. Returns 0 in the errand, its pid in the zygote, -1 with errno.
 */
pid_t tsfpm_spawn_errand(int connection, const struct tsfpm_settings *settings);

#endif
