/*
 * PHP arms a timer of processor time (ITIMER_PROF) at each request's start, maybe again when its body is read, and
 * disarms it at the end: system calls for a timer that hardly ever runs out.
 *
 * Here the end of the limit is only written down. One timer of the runtime's own, the watch, goes off before the end of
 * whatever limit may be set: it is armed for as long as a limit lasts, once for very many requests. When it goes off
 * and the present limit is still far, it is armed anew; when the limit is near, what is left of it goes to the kernel's
 * ITIMER_PROF. So its end is as PHP made it: the signal, its handler, and what a script makes of both.
 *
 * The watch sends TSFPM_TIME_OUT_SIGNAL to the thread that serves. Where a script is about to block that signal, or to
 * do what the hooks do not see, the limit goes to the kernel at once. Children have neither: timers are not inherited.
 */
#define _GNU_SOURCE
#include "time-limit.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "cpu-clock.h"
#include "libc.h"

/* The rest of a limit that the kernel's timer measures: ns. The watch may be late by a tick of the kernel, 10 ms. */
#define HANDED_OVER_NS 20000000ull
#define SECOND_NS 1000000000ull

/* Points of the processor time's clock, ns; 0: none. */
static volatile uint64_t limit_ns;
static volatile uint64_t watch_ns;      /* when the watch goes off */
static volatile uint64_t watch_span_ns; /* how far that was when it was armed */

static volatile sig_atomic_t may_be_ours; /* nothing has happened in this request that speaks against it */
static volatile sig_atomic_t is_ours;     /* limit_ns counts, and ITIMER_PROF is not armed */
static volatile sig_atomic_t is_busy, has_fired;
static bool kernel_is_armed;
static bool was_unseen; /* what the last request's script did */
static enum { UNTRIED, THERE, REFUSED } watch;
static int watch_id; /* timer_t of the kernel, which is not libc's */

/* Others than the thread that serves have no limit. */
static _Thread_local bool serves __attribute__((tls_model("initial-exec")));
static pid_t pid;

void tsfpm_time_limit_begin(void)
{
    serves = true;
    pid = getpid();
}

/* The kernel's timer goes on where something has left it armed. */
void tsfpm_time_limit_request_begins(void)
{
    limit_ns = 0;
    may_be_ours = is_ours = serves && !kernel_is_armed && !was_unseen && watch != REFUSED;
}

void tsfpm_time_limit_request_starts(bool is_unseen)
{
    was_unseen = is_unseen;
    if (is_unseen) tsfpm_time_limit_hand_over();
}

/* ---- the kernel's timer ---- */

static int set_kernels(int which, const struct itimerval *wanted, struct itimerval *old)
{
    int result = tsfpm_libc()->setitimer(which, wanted, old);
    if (result == 0 && which == ITIMER_PROF && wanted != NULL)
        kernel_is_armed = wanted->it_value.tv_sec != 0 || wanted->it_value.tv_usec != 0;
    return result;
}

static void hand_over(void)
{
    is_ours = 0;
    if (limit_ns == 0) return;
    uint64_t now = tsfpm_clock_ns(CLOCK_PROCESS_CPUTIME_ID), us = limit_ns > now ? (limit_ns - now) / 1000 : 0;
    if (us == 0) us = 1; /* 0 would disarm it */
    const struct timeval rest = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    set_kernels(ITIMER_PROF, &(struct itimerval){.it_value = rest}, NULL);
}

void tsfpm_time_limit_hand_over(void)
{
    static const struct itimerspec never;
    if (!may_be_ours || !serves || getpid() != pid) return; /* a child may have this memory, even the worker's own */
    may_be_ours = 0;
    if (watch_ns != 0) syscall(SYS_timer_settime, watch_id, 0, &never, NULL);
    watch_ns = 0;
    if (is_ours) hand_over();
}

/* ---- the watch ---- */

/* Of the kernel itself: libc has these functions in another library until 2.34. */
static bool make_watch(void)
{
    struct sigevent event = {.sigev_signo = TSFPM_TIME_OUT_SIGNAL, .sigev_notify = SIGEV_THREAD_ID};
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    watch = syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &event, &watch_id) == 0 ? THERE : REFUSED;
    return watch == THERE;
}

static bool arm_watch(uint64_t at_ns, uint64_t now)
{
    if (watch != THERE && (watch == REFUSED || !make_watch())) return false;
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / SECOND_NS), .tv_nsec = (long)(at_ns % SECOND_NS)}};
    watch_ns = 0;
    if (syscall(SYS_timer_settime, watch_id, TIMER_ABSTIME, &when, NULL) != 0) return false;
    watch_ns = at_ns;
    watch_span_ns = at_ns - now;
    return true;
}

/*
 * Armed anew also when half of its time is over: so it goes off only in requests that use much of their limit, and
 * interrupts no system call of others.
 */
static bool watch_limit(uint64_t now)
{
    uint64_t latest_ns = limit_ns - HANDED_OVER_NS;
    if (watch_ns != 0 && watch_ns <= latest_ns && watch_ns >= now + watch_span_ns / 2) return true;
    return arm_watch(latest_ns, now);
}

static void fire(void)
{
    watch_ns = 0;
    if (!is_ours || limit_ns == 0) return;
    uint64_t now = tsfpm_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (limit_ns <= now + 2 * HANDED_OVER_NS || !arm_watch(limit_ns - HANDED_OVER_NS, now)) hand_over();
}

void tsfpm_time_limit_fires(void)
{
    if (is_busy) has_fired = 1;
    else fire();
}

/* ---- the hook ---- */

static uint64_t nanoseconds(const struct timeval *value)
{
    return (uint64_t)value->tv_sec * SECOND_NS + (uint64_t)value->tv_usec * 1000u;
}

/* A limit as PHP sets it: it ends once, nobody asks for the former one, and it is long, or none. */
static bool is_limit(const struct itimerval *wanted, const struct itimerval *old)
{
    if (wanted == NULL || old != NULL) return false;
    if (wanted->it_interval.tv_sec != 0 || wanted->it_interval.tv_usec != 0) return false;
    const struct timeval *value = &wanted->it_value;
    if (value->tv_sec < 0 || value->tv_sec > INT32_MAX || value->tv_usec < 0 || value->tv_usec > 999999) return false;
    return nanoseconds(value) == 0 || nanoseconds(value) > 4 * HANDED_OVER_NS;
}

/* The kernel's timer, if it has the last limit's rest, makes way for the next one. */
static bool keep_limit(const struct timeval *value)
{
    static const struct itimerval none;
    uint64_t span = nanoseconds(value);
    if (kernel_is_armed) set_kernels(ITIMER_PROF, &none, NULL);
    is_ours = 1;
    if (span == 0) {
        limit_ns = 0;
        return true;
    }
    uint64_t now = tsfpm_cpu_clock_near();
    limit_ns = now + span;
    return watch_limit(now);
}

int tsfpm_time_limit_setitimer(int which, const struct itimerval *wanted, struct itimerval *old)
{
    bool is_kept = which == ITIMER_PROF && may_be_ours && serves && tsfpm_role == TSFPM_ROLE_WORKER && !is_busy;
    if (!is_kept) {
        if (which == ITIMER_PROF && serves) may_be_ours = is_ours = 0;
        return set_kernels(which, wanted, old);
    }
    if (!is_limit(wanted, old)) {
        tsfpm_time_limit_hand_over();
        return set_kernels(which, wanted, old);
    }
    int saved_errno = errno;
    is_busy = 1;
    is_kept = keep_limit(&wanted->it_value);
    is_busy = 0;
    if (has_fired) {
        has_fired = 0;
        fire();
    }
    errno = saved_errno;
    if (is_kept && is_ours) return 0; /* or a handler has set the kernel's meanwhile */
    may_be_ours = is_ours = 0;
    return set_kernels(which, wanted, old);
}
