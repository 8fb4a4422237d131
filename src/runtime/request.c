#define _GNU_SOURCE
#include "request.h"

#include "access-log.h"
#include "client.h"
#include "clock.h"
#include "leave.h"
#include "messages.h"
#include "output.h"
#include "own-slot.h"
#include "php-start.h"
#include "request-body.h"
#include "sent-status.h"
#include "signals.h"
#include "turn.h"

uint64_t tsfpm_request_none(enum tsfpm_stage stage)
{
    if (tsfpm_signals_are_changed) tsfpm_signals_restore();
    uint64_t now_ns = tsfpm_clock_ns(CLOCK_MONOTONIC);
    tsfpm_own_slot_idle(stage, now_ns);
    tsfpm_request_start_ns = 0;
    return now_ns;
}

void tsfpm_request_arrives(void)
{
    uint64_t now_ns = tsfpm_clock_ns(CLOCK_MONOTONIC);
    /* The end of the body of a request that a page has answered is no request. */
    if (!tsfpm_phase_is(TSFPM_PHASE_BIT(PAGE_ANSWERED)))
        tsfpm_enter_phase(tsfpm_phase_is(TSFPM_PHASES_ANSWERED) ? TSFPM_PHASE_NEXT_ARRIVED : TSFPM_PHASE_ARRIVED);
    tsfpm_request_start_ns = now_ns;
    tsfpm_own_slot_request_arrives(now_ns);
}

void tsfpm_request_begins(uint16_t id)
{
    /* Where a client begins one within the body of another, that one's script runs on. */
    bool is_within = tsfpm_phase_is(TSFPM_PHASES_IN_REQUEST);
    /* A request that is pipelined behind another was not waited for. */
    if (!is_within && tsfpm_signals_are_changed) tsfpm_signals_restore();
    if (!tsfpm_phase_is(TSFPM_PHASES_ARRIVED)) tsfpm_request_arrives();
    if (!is_within) tsfpm_php_start_begins();
    tsfpm_request_id = id;
    tsfpm_response_has_begun = 0;
    tsfpm_enter_phase(TSFPM_PHASE_RUNNING);
    tsfpm_messages_request_starts();
    tsfpm_request_body_starts();
    tsfpm_sent_status_request_begins();
    tsfpm_own_slot_request_begins();
}

void tsfpm_request_starts(void)
{
    tsfpm_own_slot_stage(TSFPM_STAGE_EXECUTING);
}

void tsfpm_request_ends(uint64_t memory_peak)
{
    uint64_t start_epoch_us;
    uint64_t duration_ns = tsfpm_own_slot_request_ends(memory_peak, tsfpm_sent_status(), &start_epoch_us);
    tsfpm_turn_had_request(duration_ns);
    tsfpm_count_request();
    bool is_answered = tsfpm_phase_is(TSFPM_PHASES_ANSWERED_EARLY);
    tsfpm_enter_phase(is_answered ? TSFPM_PHASE_SHUT_DOWN_ANSWERED : TSFPM_PHASE_SHUT_DOWN);
    tsfpm_output_request_ends();
    tsfpm_access_log_request_ends(start_epoch_us, duration_ns, memory_peak);
}

void tsfpm_request_is_answered(enum tsfpm_phase phase)
{
    tsfpm_enter_phase(phase);
    tsfpm_request_start_ns = 0;
}
