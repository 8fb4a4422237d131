/* The signals of zygotes and workers. */
#ifndef TSFPM_SIGNALS_H
#define TSFPM_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

#include "php.h"

void tsfpm_signals_hold(void);    /* in the constructor: blocks those that may be sent to all processes */
void tsfpm_signals_release(void); /* back to the mask from before that. Async-signal-safe */

/*
 * In a child that is forked while the zygote starts: it survives what is sent to all processes, and a program that it
 * executes can be told to end. Async-signal-safe.
 */
void tsfpm_signals_survive(void);

void tsfpm_signals_handle(void); /* in the zygote, before php-cgi keeps its own handlers for the workers */
void tsfpm_signals_hold_all(sigset_t *held); /* in the zygote, for its life: blocks all but faults */

/*
 * In a new worker, when it is ready. Until then all signals wait: php-cgi's handlers are those of a parent, which pass
 * TERM on to the whole process group.
 */
void tsfpm_signals_obey(void);

/*
 * PHP's request start-up. `finish_request` is the handler of fastcgi_finish_request(): where PHP keeps that, it keeps
 * those of the functions that are watched.
 */
void tsfpm_signals_watch(tsfpm_php_function *finish_request);
extern bool tsfpm_signals_are_changed; /* by the script of a request that is over, or by the present one */
void tsfpm_signals_restore(void);      /* with nothing in hand: as they were when the worker was ready */

#endif
