/* request_terminate_timeout: the end of a request that takes too long, by a signal of the master. */
#ifndef TSFPM_TIMEOUT_H
#define TSFPM_TIMEOUT_H

#include <signal.h>
#include <stdint.h>

/*
 * What the handler needs to know of the present request, kept by worker.c. The slot will not do: whoever owns a sibling
 * worker can write there.
 */
extern volatile uint64_t tsfpm_request_start_ns;       /* as in the slot; 0: nothing is in hand */
extern volatile sig_atomic_t tsfpm_request_id;         /* -1: it has not begun, or its END_REQUEST is written */
extern volatile sig_atomic_t tsfpm_response_has_begun; /* a byte of its answer was handed to the kernel, or may be */

void tsfpm_timeout_begin(void); /* in a new worker */

#endif
