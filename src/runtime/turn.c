/*
 * A worker that finds its next client in the queue at once never sleeps: the kernel leaves it its core for a whole time
 * slice (some 3 ms), and a worker that was interrupted in the middle of a request waits for the end of it. With
 * requests of 100 us, one in thirty was interrupted so, and their clients were the slowest hundredth of all. So a
 * worker gives its core up of its own accord between two requests, when it has nothing in hand. Where nobody wants
 * the core, that is one short system call.
 *
 * Not after each request: of very short ones only a few are interrupted, and changing the process costs them more. The
 * page of 300 includes (4 workers, 8 clients, 2 cores) had 0.7 times the p99 so and no fewer requests/s; hello world
 * (13 us) lost a fifth of its requests/s when its workers gave up their core each time, and none with this rule.
 */
#include "turn.h"

#include <sched.h>
#include <stdbool.h>

#define LONG_REQUEST_NS 50000ull  /* its turn ends with it */
#define LONGEST_TURN_NS 2000000ull /* of short requests, one after the other */

static bool had_long_request;
static uint64_t turn_began_ns;

void tsfpm_turn_had_request(uint64_t duration_ns)
{
    if (duration_ns >= LONG_REQUEST_NS) had_long_request = true;
}

void tsfpm_turn_may_end(uint64_t now_ns)
{
    if (!had_long_request && now_ns - turn_began_ns < LONGEST_TURN_NS) return;
    had_long_request = false;
    turn_began_ns = now_ns;
    sched_yield();
}
