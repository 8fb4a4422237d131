/* How long a worker keeps its processor core while other workers wait for one. */
#ifndef TSFPM_TURN_H
#define TSFPM_TURN_H

#include <stdint.h>

/* A request has been answered by PHP: its duration in ns. */
void tsfpm_turn_had_request(uint64_t duration_ns);

/* Between two requests, at CLOCK_MONOTONIC in ns: lets other processes have this core first, where that is due. */
void tsfpm_turn_may_end(uint64_t now_ns);

#endif
