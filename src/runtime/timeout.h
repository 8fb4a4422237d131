/* request_terminate_timeout: the end of a request that takes too long, by a signal of the master. */
#ifndef TSFPM_TIMEOUT_H
#define TSFPM_TIMEOUT_H

#include <signal.h>

/* Kept by worker.c: a byte of the answer of the present request was handed to the kernel, or may be. */
extern volatile sig_atomic_t tsfpm_response_has_begun;

void tsfpm_timeout_begin(void); /* in a new worker */

#endif
