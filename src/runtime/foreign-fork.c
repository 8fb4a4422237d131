/*
 * Forks by other code than the zygote's. There are two:
 *
 *   opcache's preloading   while php-cgi starts: the child becomes opcache.preload_user and runs a tenant's script.
 *                          Control channel, scoreboard, listening socket and stand-in are open at that moment.
 *   a script's pcntl_fork  in a worker: the child shares the client's connection with the worker that answers.
 *
 * pthread_atfork() runs the handler in each such child before fork() returns there. A hook of fork() would miss some:
 * extensions that are loaded with RTLD_DEEPBIND, as opcache is up to PHP 8.4, call libc's own. A program that is
 * started by vfork() or posix_spawn() does not pass here; the runtime's descriptors are closed for it on exec.
 */
#define _GNU_SOURCE
#include "foreign-fork.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "ask.h"
#include "control.h"
#include "descriptors.h"
#include "keeper-link.h"
#include "leave.h"
#include "libc.h"
#include "request-phase.h"
#include "scoreboard.h"
#include "script-child.h"
#include "signals.h"

bool tsfpm_is_forking_worker;

static void close_start_descriptors(void)
{
    for (int fd = TSFPM_FD_CONTROL; fd <= TSFPM_FD_LIBRARY; fd++) tsfpm_libc()->close(fd);
    /* Descriptor 0 is the stand-in; a child that finds it closed would get it with its next file. */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, TSFPM_FD_STAND_IN) < 0) tsfpm_libc()->close(TSFPM_FD_STAND_IN);
    if (null > TSFPM_FD_STAND_IN) tsfpm_libc()->close(null);
}

static void before(void)
{
    if (tsfpm_role == TSFPM_ROLE_WORKER) tsfpm_script_child_before_fork(tsfpm_phase_is(TSFPM_PHASES_ANSWERED_EARLY));
}

/* Only async-signal-safe calls: PHP may have threads. */
static void in_child(void)
{
    if (tsfpm_is_forking_worker) return;
    switch (tsfpm_role) {
    case TSFPM_ROLE_NONE:
    case TSFPM_ROLE_ERRAND:
    case TSFPM_ROLE_SCRIPT_CHILD: return; /* has nothing of ours */
    case TSFPM_ROLE_STARTING:
    case TSFPM_ROLE_ARMED:
        close_start_descriptors();
        tsfpm_signals_survive(); /* one that ended opcache's child would end the start of its pool */
        tsfpm_role = TSFPM_ROLE_NONE;
        break;
    case TSFPM_ROLE_TEMPLATE:
    case TSFPM_ROLE_ZYGOTE:
        tsfpm_descriptors_close_own();
        tsfpm_signals_release();
        tsfpm_role = TSFPM_ROLE_NONE;
        break;
    case TSFPM_ROLE_WORKER:
        tsfpm_stop_listening();
        tsfpm_keeper_end();
        tsfpm_ask_end();
        tsfpm_script_child_begin();
        break;
    }
    tsfpm_scoreboard_hide();
}

void tsfpm_foreign_fork_start(void)
{
    int error = pthread_atfork(before, NULL, in_child);
    if (error != 0) tsfpm_die("pthread_atfork: error %d", error);
}
