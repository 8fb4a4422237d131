/* A request on its way through this worker, as its client and then PHP tell of it. */
#ifndef TSFPM_REQUEST_H
#define TSFPM_REQUEST_H

#include <stdint.h>

#include "request-phase.h"
#include "scoreboard.h"

/* There is none: the worker is idle, in that stage. Returns CLOCK_MONOTONIC, ns. */
uint64_t tsfpm_request_none(enum tsfpm_stage stage);

void tsfpm_request_arrives(void);              /* its first bytes */
void tsfpm_request_begins(uint16_t id);        /* its BEGIN_REQUEST, with FastCGI's request id */
void tsfpm_request_starts(void);               /* PHP's request start-up */
void tsfpm_request_ends(uint64_t memory_peak); /* PHP's request shutdown: bytes */

/* Its END_REQUEST is written, so that the client may be sending its next one: the phase ANSWERED or PAGE_ANSWERED. */
void tsfpm_request_is_answered(enum tsfpm_phase phase);

#endif
