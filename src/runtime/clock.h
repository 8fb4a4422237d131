/* The kernel's clocks in nanoseconds. */
#ifndef TSFPM_CLOCK_H
#define TSFPM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC for durations, CLOCK_REALTIME for display: ns. */
static inline uint64_t tsfpm_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
