/*
 * Signals, which may be sent to everybody: `systemctl kill -s USR2`, a supervisor's stop of a whole group.
 *
 *   zygote   none, from its constructor on: it takes orders through its channel alone, and ends with the master
 *   worker   TERM, QUIT, INT, USR1: finishes what it has in hand, then leaves. USR2, HUP: meant for the master
 *   programs and children of scripts: their default actions. So a worker has a handler that does nothing where it could
 *            ignore a signal: a program would inherit that.
 */
#define _GNU_SOURCE
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "runtime.h"

static const int sent_to_everybody[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

static sigset_t mask; /* as it was before the constructor */

static void block(const sigset_t *signals, sigset_t *before)
{
    if (sigprocmask(SIG_BLOCK, signals, before) != 0) tsfpm_die("sigprocmask: error %d", errno);
}

void tsfpm_signals_hold(void)
{
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof sent_to_everybody / sizeof *sent_to_everybody; i++)
        sigaddset(&held, sent_to_everybody[i]);
    block(&held, &mask);
}

void tsfpm_signals_hold_all(sigset_t *held)
{
    sigfillset(held);
    for (const int *fault = (const int[]){SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, 0}; *fault != 0; fault++)
        sigdelset(held, *fault);
    block(held, NULL);
}

void tsfpm_signals_release(void)
{
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* ---- a worker's handlers ---- */

static void (*php_term_handler)(int), (*php_usr1_handler)(int);

/* As it would without us: a script's child has no request to finish. */
static void die_of(int signal_number)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, signal_number);
    sigaction(signal_number, &plain, NULL);
    kill(getpid(), signal_number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
}

static void on_leave(int signal_number)
{
    int saved_errno = errno;
    if (tsfpm_role == TSFPM_ROLE_SCRIPT_CHILD) die_of(signal_number);
    if (tsfpm_role == TSFPM_ROLE_WORKER) {
        tsfpm_worker_leave();
        /* php-cgi's own handler makes its loop end. */
        void (*php_handler)(int) = signal_number == SIGUSR1 ? php_usr1_handler : php_term_handler;
        if (php_handler != NULL) php_handler(signal_number);
    }
    errno = saved_errno;
}

static void on_nothing(int signal_number)
{
    if (tsfpm_role == TSFPM_ROLE_SCRIPT_CHILD) die_of(signal_number);
}

static void chain(int signal_number, void (*handler)(int), void (**previous)(int))
{
    struct sigaction old, ours = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&ours.sa_mask);
    sigaction(signal_number, NULL, &old);
    if (previous != NULL && !(old.sa_flags & SA_SIGINFO) && old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN)
        *previous = old.sa_handler;
    sigaction(signal_number, &ours, NULL);
}

void tsfpm_signals_chain(void)
{
    chain(SIGTERM, on_leave, &php_term_handler);
    chain(SIGUSR1, on_leave, &php_usr1_handler);
    chain(SIGQUIT, on_leave, NULL); /* php-fpm's workers finish their request on QUIT; php-cgi has no handler */
    chain(SIGINT, on_leave, NULL);
    chain(SIGHUP, on_nothing, NULL);
    chain(SIGUSR2, on_nothing, NULL);
}

void tsfpm_signals_obey(void)
{
    tsfpm_signals_release();
}
