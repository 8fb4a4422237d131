/* request_terminate_timeout: the end of a request that takes too long, by a signal of the master. */
#ifndef TSFPM_TIMEOUT_H
#define TSFPM_TIMEOUT_H

void tsfpm_timeout_begin(void); /* in a new worker */

#endif
