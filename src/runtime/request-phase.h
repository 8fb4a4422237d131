/*
 * How far this worker is with its client's request: one phase at a time, and which may follow which.
 *
 *      NO_CLIENT --> CONNECTED --> ARRIVED --> RUNNING ------------> SHUT_DOWN --> ENDING --> ANSWERED --.
 *                        ^                      |  ^                     |            |         ^  |     |
 *                        |                      v  |                     |            '---------'  v     |
 *                        |           RUNNING_ANSWERED --> SHUT_DOWN_ANSWERED ------------------>  NEXT_ARRIVED
 *                        |                                               |
 *                        '------------ PAGE_ANSWERED <-------------------'        (then RUNNING again)
 *
 * From every phase but the first the connection may be drained (DRAINED) and closed (NO_CLIENT). request-phase.c has
 * all steps.
 */
#ifndef TSFPM_REQUEST_PHASE_H
#define TSFPM_REQUEST_PHASE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum tsfpm_phase {
    TSFPM_PHASE_NO_CLIENT,
    TSFPM_PHASE_CONNECTED,          /* a client, of which no request is known */
    TSFPM_PHASE_ARRIVED,            /* the first bytes of a request are here, and its start is noted */
    TSFPM_PHASE_RUNNING,            /* php-cgi has read BEGIN_REQUEST: the request is PHP's */
    TSFPM_PHASE_RUNNING_ANSWERED,   /* as RUNNING; the runtime has ended the answer, and PHP's output goes nowhere */
    TSFPM_PHASE_SHUT_DOWN,          /* PHP's request shutdown is over; php-cgi has END_REQUEST still to write */
    TSFPM_PHASE_SHUT_DOWN_ANSWERED, /* as SHUT_DOWN; that END_REQUEST goes nowhere */
    TSFPM_PHASE_ENDING,             /* php-cgi writes what ends with END_REQUEST, and a part of it is written */
    TSFPM_PHASE_ANSWERED,           /* END_REQUEST is written; the client may not have received it yet */
    TSFPM_PHASE_NEXT_ARRIVED,       /* as ANSWERED; the next request has begun to arrive, its start is noted */
    TSFPM_PHASE_PAGE_ANSWERED,      /* the runtime has answered with a page; nobody reads the request's body */
    TSFPM_PHASE_DRAINED,            /* what the client still sent was received: only the close is to come */
    TSFPM_PHASES,
};

/*
 * The request in hand. The handler of the time-out reads these three, at any moment: the slot would not do, since
 * whoever owns a sibling worker can write there.
 */
extern volatile sig_atomic_t tsfpm_request_phase; /* for tsfpm_enter_phase() and tsfpm_phase_is() alone */
extern volatile uint64_t tsfpm_request_start_ns;  /* CLOCK_MONOTONIC, as in the slot; 0: nothing is in hand */
extern volatile uint16_t tsfpm_request_id;        /* FastCGI's, of the request that began last */

/* Whether one phase may follow another. */
bool tsfpm_phase_may_follow(enum tsfpm_phase next, enum tsfpm_phase present);
/* Ends the process with a message where it may not. */
void tsfpm_phase_check(enum tsfpm_phase next, enum tsfpm_phase present);

/* A build with -DTSFPM_CHECK_PHASES, or with the address sanitizer, looks at each step. */
#if defined(__SANITIZE_ADDRESS__) && !defined(TSFPM_CHECK_PHASES)
#define TSFPM_CHECK_PHASES
#endif

static inline void tsfpm_enter_phase(enum tsfpm_phase next)
{
#ifdef TSFPM_CHECK_PHASES
    tsfpm_phase_check(next, (enum tsfpm_phase)tsfpm_request_phase);
#endif
    tsfpm_request_phase = (sig_atomic_t)next;
}

#define TSFPM_PHASE_BIT(name) (1u << TSFPM_PHASE_##name)
/* From BEGIN_REQUEST, as php-cgi reads it, to PHP's request shutdown. */
#define TSFPM_PHASES_RUNNING (TSFPM_PHASE_BIT(RUNNING) | TSFPM_PHASE_BIT(RUNNING_ANSWERED))
/* From there to END_REQUEST, as php-cgi writes it. */
#define TSFPM_PHASES_SHUT_DOWN (TSFPM_PHASE_BIT(SHUT_DOWN) | TSFPM_PHASE_BIT(SHUT_DOWN_ANSWERED))
#define TSFPM_PHASES_IN_REQUEST (TSFPM_PHASES_RUNNING | TSFPM_PHASES_SHUT_DOWN | TSFPM_PHASE_BIT(ENDING))
/* The client waits for its answer, of which nothing that was begun is incomplete. */
#define TSFPM_PHASES_UNANSWERED (TSFPM_PHASE_BIT(RUNNING) | TSFPM_PHASE_BIT(SHUT_DOWN))
/* The client has its answer already, by fastcgi_finish_request(). */
#define TSFPM_PHASES_ANSWERED_EARLY (TSFPM_PHASE_BIT(RUNNING_ANSWERED) | TSFPM_PHASE_BIT(SHUT_DOWN_ANSWERED))
#define TSFPM_PHASES_ARRIVED (TSFPM_PHASE_BIT(ARRIVED) | TSFPM_PHASE_BIT(NEXT_ARRIVED))
/* The last answer is written, and nothing after it has begun. */
#define TSFPM_PHASES_ANSWERED (TSFPM_PHASE_BIT(ANSWERED) | TSFPM_PHASE_BIT(NEXT_ARRIVED))

/* Whether the present phase is one of these bits. */
static inline bool tsfpm_phase_is(uint32_t phases)
{
    return (phases >> tsfpm_request_phase & 1u) != 0;
}

#endif
