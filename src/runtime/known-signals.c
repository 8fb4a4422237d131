/*
 * Zend/zend_signal.c asks at the start of each request for the actions of seven signals, to see whether somebody has
 * replaced its handlers, then sets one of them and unblocks it, which it was before. Nine system calls that change
 * nothing, as long as nothing has changed since the last request.
 *
 * So every change that anything in this process makes is counted, and what the kernel has answered holds until the
 * next one of the same signal. Only PHP's own start of a request is answered from here; scripts, extensions, handlers
 * and other threads always ask the kernel. What cannot be seen (FFI) makes all of it unknown.
 *
 * A change is counted after it was made, an answer is noted with the count from before the question: an answer that a
 * handler or a thread has made wrong meanwhile is never taken for right.
 */
#define _GNU_SOURCE
#include "known-signals.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "libc.h"

/* Of each signal's action: libraries ignore SIGPIPE for a moment, for which PHP never asks. */
static uint32_t changes[_NSIG];
#define MASK 0 /* no signal has this number: of what is blocked */
static uint32_t all_changes = 1; /* of any of them, for all that is known */

/* What was learnt counts while no more changes were made; 0: nothing was. */
static struct {
    struct sigaction answer; /* what the kernel says */
    uint32_t answered_at;
    struct sigaction wanted; /* what was last set, in the caller's words */
    uint32_t set_at;
} actions[_NSIG];
static struct {
    sigset_t blocked;
    uint32_t answered_at;
} mask;

/* Of the thread that serves: others are no part of a request's start. */
static _Thread_local bool is_starting __attribute__((tls_model("initial-exec")));

void tsfpm_known_signals_request_begins(void)
{
    is_starting = true;
}

void tsfpm_known_signals_request_starts(void)
{
    is_starting = false;
}

static uint32_t count_now(int what)
{
    return __atomic_load_n(&changes[what], __ATOMIC_SEQ_CST) + __atomic_load_n(&all_changes, __ATOMIC_SEQ_CST);
}

static void count_change(int what)
{
    if (what >= 0 && what < _NSIG) __atomic_add_fetch(&changes[what], 1, __ATOMIC_SEQ_CST);
}

void tsfpm_known_signals_forget(void)
{
    __atomic_add_fetch(&all_changes, 1, __ATOMIC_SEQ_CST);
}

static bool is_known(int what, uint32_t since)
{
    return since == count_now(what);
}

/* Written last, and taken back first: a handler may run in between. */
static void note(uint32_t *since, uint32_t count)
{
    __atomic_store_n(since, count, __ATOMIC_SEQ_CST);
}

static bool is_same_action(const struct sigaction *one, const struct sigaction *other)
{
    return one->sa_handler == other->sa_handler && one->sa_flags == other->sa_flags &&
           memcmp(&one->sa_mask, &other->sa_mask, sizeof one->sa_mask) == 0;
}

static int ask_action(int signal_number, struct sigaction *old)
{
    uint32_t before = count_now(signal_number);
    if (!is_known(signal_number, actions[signal_number].answered_at)) {
        note(&actions[signal_number].answered_at, 0);
        int result = tsfpm_libc()->sigaction(signal_number, NULL, old);
        if (result != 0) return result;
        actions[signal_number].answer = *old;
        note(&actions[signal_number].answered_at, before);
        return 0;
    }
    *old = actions[signal_number].answer;
    /* A handler that ran meanwhile may have changed half of it. */
    return is_known(signal_number, before) ? 0 : tsfpm_libc()->sigaction(signal_number, NULL, old);
}

static int set_action(int signal_number, const struct sigaction *wanted)
{
    uint32_t before = count_now(signal_number);
    /* The kernel takes an action with SA_RESETHAND back by itself. */
    bool is_lasting = (wanted->sa_flags & (int)SA_RESETHAND) == 0;
    if (is_lasting && is_known(signal_number, actions[signal_number].set_at) &&
        is_same_action(wanted, &actions[signal_number].wanted))
        return 0;
    int result = tsfpm_libc()->sigaction(signal_number, wanted, NULL);
    count_change(signal_number);
    if (result != 0) return result;
    note(&actions[signal_number].set_at, 0);
    actions[signal_number].wanted = *wanted;
    note(&actions[signal_number].set_at, before + 1); /* and by nobody else meanwhile */
    return 0;
}

int tsfpm_known_sigaction(int signal_number, const struct sigaction *wanted, struct sigaction *old)
{
    if (is_starting && signal_number > 0 && signal_number < _NSIG) {
        if (wanted == NULL && old != NULL) return ask_action(signal_number, old);
        if (wanted != NULL && old == NULL) return set_action(signal_number, wanted);
    }
    int result = tsfpm_libc()->sigaction(signal_number, wanted, old);
    if (wanted != NULL) count_change(signal_number);
    return result;
}

void (*tsfpm_known_signal(int signal_number, void (*handler)(int)))(int)
{
    void (*former)(int) = tsfpm_libc()->signal(signal_number, handler);
    count_change(signal_number);
    return former;
}

/* ---- what is blocked ---- */

static bool is_any_blocked(const sigset_t *signals)
{
    sigset_t both;
    sigandset(&both, signals, &mask.blocked);
    return !sigisemptyset(&both);
}

static int unblock(const sigset_t *signals)
{
    uint32_t before = count_now(MASK);
    if (is_known(MASK, mask.answered_at) && !is_any_blocked(signals)) return 0;
    note(&mask.answered_at, 0);
    sigset_t old;
    int result = tsfpm_libc()->sigprocmask(SIG_UNBLOCK, signals, &old);
    if (result != 0) return result;
    mask.blocked = old;
    if (is_any_blocked(signals)) count_change(MASK);
    else note(&mask.answered_at, before);
    return 0;
}

int tsfpm_known_sigprocmask(int how, const sigset_t *signals, sigset_t *old)
{
    if (is_starting && how == SIG_UNBLOCK && signals != NULL && old == NULL) return unblock(signals);
    int result = tsfpm_libc()->sigprocmask(how, signals, old);
    if (signals != NULL) count_change(MASK);
    return result;
}

int tsfpm_known_pthread_sigmask(int how, const sigset_t *signals, sigset_t *old)
{
    /* Older releases of glibc have it in a library that is not there in a program without threads. */
    if (tsfpm_libc()->pthread_sigmask == NULL) return tsfpm_known_sigprocmask(how, signals, old) == 0 ? 0 : errno;
    int result = tsfpm_libc()->pthread_sigmask(how, signals, old);
    if (signals != NULL) count_change(MASK);
    return result;
}
