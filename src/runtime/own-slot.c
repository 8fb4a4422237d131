/*
 * Whoever owns a sibling worker can write to the slot at any moment: what steers anything here is never read back
 * from it.
 */
#define _GNU_SOURCE
#include "own-slot.h"

#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cpu-clock.h"

/* Upper bounds of slot->duration_buckets: ns. src/scoreboard/layout.ts has them in seconds. */
static const uint64_t duration_bounds[TSFPM_DURATION_BUCKETS - 1] = {
    1000000,   2500000,   5000000,    10000000,   25000000,   50000000,    100000000,   250000000,
    500000000, 1000000000, 2500000000, 5000000000, 10000000000, 30000000000, 60000000000,
};

static struct tsfpm_slot *slot;
static uint32_t params_length; /* bytes of the request's parameters: all, and those that fit in the slot */
static uint32_t params_kept;
static uint64_t cpu_ns_at_last_end;

void tsfpm_own_slot_start(uint32_t index)
{
    slot = tsfpm_scoreboard_slot(index);
    tsfpm_slot_begin(slot);
    slot->pid = getpid();
    slot->stage = TSFPM_STAGE_STARTING;
    slot->start_ns = tsfpm_clock_ns(CLOCK_MONOTONIC);
    slot->start_epoch_us = tsfpm_clock_ns(CLOCK_REALTIME) / 1000;
    tsfpm_slot_end(slot);
    cpu_ns_at_last_end = tsfpm_cpu_clock_read();
}

bool tsfpm_own_slot_says_leave(void)
{
    return __atomic_load_n(&slot->leave, __ATOMIC_RELAXED) != 0;
}

void tsfpm_own_slot_stage(enum tsfpm_stage stage)
{
    tsfpm_slot_begin(slot);
    slot->stage = stage;
    tsfpm_slot_end(slot);
}

void tsfpm_own_slot_idle(enum tsfpm_stage stage, uint64_t since_ns)
{
    tsfpm_cpu_clock_waits(since_ns);
    tsfpm_slot_begin(slot);
    slot->stage = stage;
    slot->idle_since_ns = since_ns;
    tsfpm_slot_end(slot);
}

/* ---- a request ---- */

void tsfpm_own_slot_request_arrives(uint64_t now_ns)
{
    tsfpm_cpu_clock_works(now_ns);
    tsfpm_slot_begin(slot);
    slot->stage = TSFPM_STAGE_READING_HEADERS;
    slot->request_start_ns = now_ns;
    slot->request_start_epoch_us = tsfpm_clock_ns(CLOCK_REALTIME) / 1000;
    tsfpm_slot_end(slot);
}

void tsfpm_own_slot_request_begins(void)
{
    params_length = params_kept = 0;
    tsfpm_slot_begin(slot);
    slot->accepted++;
    slot->has_no_script = 0;
    slot->params_length = 0;
    slot->params_total = 0;
    tsfpm_slot_end(slot);
}

void tsfpm_own_slot_keep_params(const uint8_t *bytes, size_t count)
{
    size_t fits = TSFPM_PARAMS_SIZE - params_kept < count ? TSFPM_PARAMS_SIZE - params_kept : count;
    tsfpm_slot_begin(slot);
    memcpy(slot->params + params_kept, bytes, fits);
    params_kept += (uint32_t)fits;
    params_length += (uint32_t)count;
    slot->params_length = params_kept;
    slot->params_total = params_length;
    tsfpm_slot_end(slot);
}

void tsfpm_own_slot_has_no_script(void)
{
    tsfpm_slot_begin(slot);
    slot->has_no_script = 1;
    tsfpm_slot_end(slot);
}

uint64_t tsfpm_own_slot_request_ends(uint64_t memory_peak, uint32_t status, uint64_t *start_epoch_us)
{
    uint64_t cpu_ns = tsfpm_cpu_clock_read();
    tsfpm_slot_begin(slot);
    slot->stage = TSFPM_STAGE_FINISHED;
    slot->finished++;
    uint64_t duration = tsfpm_clock_ns(CLOCK_MONOTONIC) - slot->request_start_ns;
    size_t bucket = 0;
    while (bucket < TSFPM_DURATION_BUCKETS - 1 && duration > duration_bounds[bucket]) bucket++;
    slot->request_duration_ns = duration;
    slot->duration_sum_ns += duration;
    slot->duration_buckets[bucket]++;
    slot->status_classes[status >= 100 && status < 600 ? status / 100 - 1 : TSFPM_STATUS_CLASSES - 1]++;
    slot->request_cpu_ns = cpu_ns - cpu_ns_at_last_end;
    slot->cpu_sum_ns += slot->request_cpu_ns;
    slot->request_memory = memory_peak;
    if (memory_peak > slot->memory_peak) slot->memory_peak = memory_peak;
    tsfpm_slot_end(slot);
    cpu_ns_at_last_end = cpu_ns;
    *start_epoch_us = slot->request_start_epoch_us;
    return duration;
}

/* ---- the counters of all workers ---- */

static void note_lowest_idle(int32_t idle)
{
    int32_t lowest = __atomic_load_n(&tsfpm_scoreboard->lowest_idle, __ATOMIC_RELAXED);
    while (idle < lowest && !__atomic_compare_exchange_n(&tsfpm_scoreboard->lowest_idle, &lowest, idle, true,
                                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/* This worker has a request in hand: keeps the most workers that ever had one at once. */
static void note_active(void)
{
    int32_t active = __atomic_load_n(&tsfpm_scoreboard->ready, __ATOMIC_RELAXED) -
                     __atomic_load_n(&tsfpm_scoreboard->idle, __ATOMIC_RELAXED) -
                     __atomic_load_n(&tsfpm_scoreboard->waiting, __ATOMIC_RELAXED);
    int32_t most = __atomic_load_n(&tsfpm_scoreboard->max_active, __ATOMIC_RELAXED);
    while (active > most && !__atomic_compare_exchange_n(&tsfpm_scoreboard->max_active, &most, active, true,
                                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

void tsfpm_count_ready(void)
{
    __atomic_add_fetch(&tsfpm_scoreboard->ready, 1, __ATOMIC_RELAXED);
}

void tsfpm_count_idle(void)
{
    __atomic_add_fetch(&tsfpm_scoreboard->idle, 1, __ATOMIC_SEQ_CST);
}

bool tsfpm_count_not_idle(bool has_client)
{
    int32_t idle = __atomic_sub_fetch(&tsfpm_scoreboard->idle, 1, __ATOMIC_SEQ_CST);
    if (!has_client) return false;
    note_lowest_idle(idle);
    note_active();
    return idle < (int64_t)__atomic_load_n(&tsfpm_scoreboard->armed, __ATOMIC_SEQ_CST) &&
           __atomic_exchange_n(&tsfpm_scoreboard->armed, 0, __ATOMIC_SEQ_CST) != 0;
}

void tsfpm_count_waiting(void)
{
    __atomic_add_fetch(&tsfpm_scoreboard->waiting, 1, __ATOMIC_RELAXED);
}

void tsfpm_count_not_waiting(bool has_request)
{
    __atomic_sub_fetch(&tsfpm_scoreboard->waiting, 1, __ATOMIC_RELAXED);
    if (has_request) note_active();
}

bool tsfpm_count_nobody_is_idle(void)
{
    return __atomic_load_n(&tsfpm_scoreboard->idle, __ATOMIC_SEQ_CST) <= 0;
}

void tsfpm_count_gone(void)
{
    __atomic_add_fetch(&tsfpm_scoreboard->gone, 1, __ATOMIC_RELAXED);
}
