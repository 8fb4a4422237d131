/* Forking a worker. */
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

#endif
