/* When this worker is to end (by a signal, the scoreboard, or after pm.max_requests), and what it accepts on. */
#ifndef TSFPM_LEAVE_H
#define TSFPM_LEAVE_H

#include <signal.h>
#include <stdbool.h>

extern int tsfpm_listen_fd; /* -1: it accepts no more */
extern int tsfpm_arrivals_fd; /* an epoll of all that clients come by, in a pool with a keeper; -1: there is none */
extern volatile sig_atomic_t tsfpm_is_leaving;          /* told to end after the present request */
extern bool tsfpm_is_spent; /* it has had all the requests that it may have */

void tsfpm_leave(void); /* the worker ends after what it has in hand. Async-signal-safe */
bool tsfpm_must_leave(void);

/* pm.max_requests, in the zygote; NULL or "0": none. php-cgi counts for itself, and does not see the pages. */
void tsfpm_limit_requests(const char *most);
void tsfpm_count_request(void); /* one has ended */

void tsfpm_stop_listening(void); /* in a script's child: clients are not its business. Async-signal-safe */

#endif
