/* PHP's limits of processor time: max_execution_time, set_time_limit(), max_input_time, hard_timeout. */
#ifndef TSFPM_TIME_LIMIT_H
#define TSFPM_TIME_LIMIT_H

#include <stdbool.h>
#include <sys/time.h>

void tsfpm_time_limit_begin(void);          /* in a new worker, by the thread that serves */
void tsfpm_time_limit_request_begins(void); /* PHP is about to set the limit of a request */

/* Scripts may run: whether they may make calls that the hooks do not see. */
void tsfpm_time_limit_request_starts(bool is_unseen);

/* From here to the request's end PHP's timer is the kernel's, as without the runtime. Async-signal-safe. */
void tsfpm_time_limit_hand_over(void);

void tsfpm_time_limit_fires(void); /* in the handler of TSFPM_TIME_OUT_SIGNAL, which the watch sends, too */

/* The hook's function: stands for libc's setitimer. Async-signal-safe. */
int tsfpm_time_limit_setitimer(int which, const struct itimerval *wanted, struct itimerval *old);

#endif
