#include "request-phase.h"

#include <stdio.h>
#include <stdlib.h>

volatile sig_atomic_t tsfpm_request_phase = TSFPM_PHASE_NO_CLIENT;
volatile uint64_t tsfpm_request_start_ns;
volatile uint16_t tsfpm_request_id;

#define BIT(name) TSFPM_PHASE_BIT(name)
#define CLOSE (BIT(DRAINED) | BIT(NO_CLIENT))
/* A client can send a BEGIN_REQUEST where php-cgi reads the body of a request: php-cgi refuses what follows. */
#define BEGUN_ANEW BIT(ARRIVED)

static const uint32_t steps[TSFPM_PHASES] = {
    [TSFPM_PHASE_NO_CLIENT] = BIT(CONNECTED),
    [TSFPM_PHASE_CONNECTED] = BIT(ARRIVED) | CLOSE,
    /* Arrived anew: what came first was no request, such as the end of the body of the one before. */
    [TSFPM_PHASE_ARRIVED] = BIT(ARRIVED) | BIT(RUNNING) | CLOSE,
    [TSFPM_PHASE_RUNNING] = BIT(RUNNING_ANSWERED) | BIT(SHUT_DOWN) | BEGUN_ANEW | CLOSE,
    [TSFPM_PHASE_RUNNING_ANSWERED] = BIT(SHUT_DOWN_ANSWERED) | BEGUN_ANEW | CLOSE,
    [TSFPM_PHASE_SHUT_DOWN] = BIT(ENDING) | BIT(ANSWERED) | BIT(PAGE_ANSWERED) | BEGUN_ANEW | CLOSE,
    [TSFPM_PHASE_SHUT_DOWN_ANSWERED] = BIT(ANSWERED) | BEGUN_ANEW | CLOSE,
    [TSFPM_PHASE_ENDING] = BIT(ENDING) | BIT(ANSWERED) | CLOSE,
    [TSFPM_PHASE_ANSWERED] = BIT(NEXT_ARRIVED) | CLOSE,
    [TSFPM_PHASE_NEXT_ARRIVED] = BIT(NEXT_ARRIVED) | BIT(RUNNING) | CLOSE,
    [TSFPM_PHASE_PAGE_ANSWERED] = BIT(CONNECTED) | CLOSE,
    [TSFPM_PHASE_DRAINED] = CLOSE,
};

bool tsfpm_phase_may_follow(enum tsfpm_phase next, enum tsfpm_phase present)
{
    return next < TSFPM_PHASES && present < TSFPM_PHASES && (steps[present] >> next & 1u) != 0;
}

void tsfpm_phase_check(enum tsfpm_phase next, enum tsfpm_phase present)
{
    if (tsfpm_phase_may_follow(next, present)) return;
    fprintf(stderr, "ALERT: a request's phase %d does not follow phase %d\n", (int)next, (int)present);
    abort();
}
