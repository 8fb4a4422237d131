/*
 * Signals. They may be sent to all processes at once: `systemctl kill -s USR2`, a supervisor that stops a whole group.
 *
 *   zygote   none, from its constructor on: it takes orders through its channel alone, and ends with the master
 *   children forked while it starts (opcache's preloading, a daemon of an extension): a handler that does nothing, and
 *            nothing is blocked, so that a program that they execute has the default actions and can be told to end.
 *            One that is started by posix_spawn() inherits what the zygote blocks
 *   worker   TERM, QUIT, INT, USR1: finishes what it has in hand, then leaves. USR2, HUP: for the master, no effect
 *   programs and children of scripts: their default actions. So a worker does not ignore USR2 and HUP, which a program
 *            would inherit; it has a handler that does nothing.
 *
 * What a script makes of its process's signals is undone when its request is over: else a worker that blocks TERM, or
 * has a script's handler for it, could not be told to leave, and an alarm would end another request. The kernel's state
 * costs a system call to read, so PHP's functions are watched that change it. Code that changes it by other means,
 * FFI for one, escapes; the master kills an idle worker that does not leave.
 */
#define _GNU_SOURCE
#include "signals.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "leave.h"
#include "libc.h"
#include "php.h"

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

/* A script's child has no request to finish: it dies of the signal, as it would without the runtime. */
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

/*
 * php-cgi's own handlers are not called: they make it end without a read or a close, and a kept connection would end
 * with it. It ends by what accept() returns.
 */
static void on_leave(int signal_number)
{
    int saved_errno = errno;
    if (tsfpm_role == TSFPM_ROLE_SCRIPT_CHILD) die_of(signal_number);
    if (tsfpm_role == TSFPM_ROLE_WORKER) tsfpm_leave();
    errno = saved_errno;
}

static void on_nothing(int signal_number)
{
    if (tsfpm_role == TSFPM_ROLE_SCRIPT_CHILD) die_of(signal_number);
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction ours = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&ours.sa_mask);
    sigaction(signal_number, &ours, NULL);
}

void tsfpm_signals_survive(void)
{
    const struct sigaction ours = {.sa_handler = on_nothing, .sa_flags = SA_RESTART};
    struct sigaction now;
    for (size_t i = 0; i < sizeof sent_to_everybody / sizeof *sent_to_everybody; i++)
        if (sigaction(sent_to_everybody[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(sent_to_everybody[i], &ours, NULL);
    tsfpm_signals_release();
}

void tsfpm_signals_handle(void)
{
    handle(SIGTERM, on_leave);
    handle(SIGUSR1, on_leave);
    handle(SIGQUIT, on_leave); /* php-fpm's workers finish their request on QUIT */
    handle(SIGINT, on_leave);
    handle(SIGHUP, on_nothing);
    handle(SIGUSR2, on_nothing);
}

/* ---- what scripts change ---- */

bool tsfpm_signals_are_changed;

static struct {
    struct sigaction action;
    bool is_known;
} idle_worker[_NSIG];

void tsfpm_signals_obey(void)
{
    for (int i = 1; i < _NSIG; i++) idle_worker[i].is_known = sigaction(i, NULL, &idle_worker[i].action) == 0;
    tsfpm_signals_release();
}

void tsfpm_signals_restore(void)
{
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    tsfpm_signals_are_changed = false;
    alarm(0);
    for (int i = 1; i < _NSIG; i++) {
        if (!idle_worker[i].is_known) continue;
        /*
         * A signal that the script has blocked may wait, and would end the worker now; while it is ignored the kernel
         * drops it. Signals that have a handler, as an order to leave, are delivered.
         */
        if (i != SIGCHLD && idle_worker[i].action.sa_handler == SIG_DFL) sigaction(i, &ignored, NULL);
        sigaction(i, &idle_worker[i].action, NULL);
    }
    tsfpm_signals_release();
}

static tsfpm_php_function *php_signal, *php_sigprocmask, *php_alarm;

static void watched_signal(struct execute_data *call, struct zval *result)
{
    tsfpm_signals_are_changed = true;
    php_signal(call, result);
}

static void watched_sigprocmask(struct execute_data *call, struct zval *result)
{
    tsfpm_signals_are_changed = true;
    php_sigprocmask(call, result);
}

static void watched_alarm(struct execute_data *call, struct zval *result)
{
    tsfpm_signals_are_changed = true;
    php_alarm(call, result);
}

/* Zend/zend_compile.h: where zend_internal_function has its handler depends on PHP's version. */
#define WORDS_LOOKED_AT 12

typedef tsfpm_php_function **find_function(const char *name, size_t length);

/* Finds the place by a function whose handler is known. Returns 0 where that function was disabled. */
static size_t handler_place(find_function *find, tsfpm_php_function *finish_request)
{
    static const char name[] = "fastcgi_finish_request";
    tsfpm_php_function **words = find(name, sizeof name - 1);
    for (size_t i = 1; words != NULL && i < WORDS_LOOKED_AT; i++)
        if (words[i] == finish_request) return i;
    return 0;
}

void tsfpm_signals_watch(tsfpm_php_function *finish_request)
{
    static bool is_done;
    if (is_done) return;
    is_done = true;
    static const struct {
        const char *name;
        size_t length;
        tsfpm_php_function **original, *watched;
    } functions[] = {
        {"pcntl_signal", sizeof "pcntl_signal" - 1, &php_signal, watched_signal},
        {"pcntl_sigprocmask", sizeof "pcntl_sigprocmask" - 1, &php_sigprocmask, watched_sigprocmask},
        {"pcntl_alarm", sizeof "pcntl_alarm" - 1, &php_alarm, watched_alarm},
    };
    find_function *find;
    *(void **)&find = dlsym(RTLD_DEFAULT, "zend_fetch_function_str");
    size_t place = find != NULL ? handler_place(find, finish_request) : 0;
    for (size_t i = 0; place != 0 && i < sizeof functions / sizeof *functions; i++) {
        tsfpm_php_function **words = find(functions[i].name, functions[i].length);
        if (words == NULL) continue;
        *functions[i].original = words[place];
        words[place] = functions[i].watched;
    }
}
