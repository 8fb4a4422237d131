/*
 * A process with one thread cannot have used more processor time since the last reading than has passed on the wall
 * while it did not wait. Between the end of one request and the start of the next that is some microseconds, so the
 * reading at a request's end does for the next one's start.
 */
#define _GNU_SOURCE
#include "cpu-clock.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>

#include "clock.h"
#include "libc.h"

#define NEAR_NS 5000000u
#define THREADS_AT_ONCE 4 /* where there may be others: as long as this one does not wait */

static uint64_t read_ns;       /* the last reading */
static uint64_t worked_ns;     /* since then, on the wall, up to working_since_ns */
static uint64_t working_since_ns;
static bool is_waiting, has_waited; /* has: since the last reading */

uint64_t tsfpm_cpu_clock_read(void)
{
    read_ns = tsfpm_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    worked_ns = 0;
    working_since_ns = tsfpm_clock_ns(CLOCK_MONOTONIC);
    is_waiting = has_waited = false;
    return read_ns;
}

void tsfpm_cpu_clock_waits(uint64_t now_ns)
{
    if (!is_waiting) worked_ns += now_ns - working_since_ns;
    is_waiting = has_waited = true;
}

void tsfpm_cpu_clock_works(uint64_t now_ns)
{
    if (is_waiting) working_since_ns = now_ns;
    is_waiting = false;
}

/* glibc 2.32 and newer tell whether a thread was ever started: its time counts as well. */
static bool has_one_thread(void)
{
    static const char *single_threaded;
    static bool is_looked_up;
    if (!is_looked_up) single_threaded = dlsym(RTLD_DEFAULT, "__libc_single_threaded");
    is_looked_up = true;
    return single_threaded != NULL && *single_threaded != 0;
}

uint64_t tsfpm_cpu_clock_near(void)
{
    uint64_t worked = worked_ns + (tsfpm_clock_ns(CLOCK_MONOTONIC) - working_since_ns);
    bool is_near = has_one_thread() ? worked <= NEAR_NS : !has_waited && worked <= NEAR_NS / THREADS_AT_ONCE;
    return is_near && !is_waiting ? read_ns + worked : tsfpm_cpu_clock_read();
}
