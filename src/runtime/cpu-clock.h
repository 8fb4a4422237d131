/* The processor time that this worker has used. The kernel has to be asked for it, so it is asked once a request. */
#ifndef TSFPM_CPU_CLOCK_H
#define TSFPM_CPU_CLOCK_H

#include <stdint.h>

/* CLOCK_PROCESS_CPUTIME_ID, in ns. Async-signal-safe, but the one that `near` goes on from is the caller's to order. */
uint64_t tsfpm_cpu_clock_read(void);

/* This worker waits for a client, or has one: CLOCK_MONOTONIC, in ns. */
void tsfpm_cpu_clock_waits(uint64_t now_ns);
void tsfpm_cpu_clock_works(uint64_t now_ns);

/* As tsfpm_cpu_clock_read(), or up to 5 ms more: mostly without asking. */
uint64_t tsfpm_cpu_clock_near(void);

#endif
