/*
 * The rings of finished requests, for the access log: behind the slots of the scoreboard, where the pool has one.
 *
 *      slots  | board | index 0 | index 1 | ... | up to a page | ring 0 | ring 1 | ...
 *
 * A worker puts one record into its ring when a request has ended; the master takes records out, makes lines of them
 * and writes those. So a request costs the worker no system call, the master no message, and a worker that dies has
 * lost none of its lines. One writer a ring: the worker moves `head`, the master `tail`; both only ever grow, and their
 * remainder by the ring's size is the place. A record never goes around the end: what is left there is filled with one
 * that says so. An empty ring is begun anew at its start, so that a quiet pool touches few pages.
 *
 * The worker that finds `pending` at 0 sets it and wakes the master; the master clears it before it reads a last time.
 * While the master finds records it polls by itself, and no worker wakes it.
 *
 * Any worker can write to all of this, for all workers of its pool: the master checks every value that it reads.
 * src/scoreboard/log-rings.ts has the same layout in TypeScript; a test compares both.
 */
#ifndef TSFPM_LOG_RING_H
#define TSFPM_LOG_RING_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TSFPM_LOG_RECORD_MAX 16384u   /* bytes of one record */
#define TSFPM_LOG_TEXT_ABSENT 0xffffu /* length of a text that the request does not have */
#define TSFPM_LOG_STAMP 0x474f4c54u   /* "TLOG" in memory */

struct tsfpm_log_board {
    uint32_t pending; /* the master has been woken, or polls by itself */
    uint8_t padding[60];
};

struct tsfpm_log_index {
    uint64_t head; /* the worker's: bytes ever put in */
    uint64_t lost; /* the worker's: records for which there was no room */
    uint8_t padding[48];
    uint64_t tail;       /* the master's: bytes ever taken out */
    uint64_t tail_check; /* ~tail: both are set by a file write, of which a worker may see a half */
    uint8_t more_padding[48];
};

/*
 * Texts follow, each a uint16_t length and so many bytes: params and such in the order of the settings, then headers.
 */
struct tsfpm_log_record {
    uint32_t size;  /* up to the next record: a multiple of 8 */
    uint32_t stamp; /* TSFPM_LOG_STAMP ^ the low half of its position */
    uint32_t is_filler;
    uint32_t status;
    uint64_t start_epoch_us; /* CLOCK_REALTIME */
    uint64_t duration_ns;
    uint64_t memory_peak; /* bytes */
    uint64_t cpu_user_us; /* children included */
    uint64_t cpu_system_us;
};

static_assert(sizeof(struct tsfpm_log_board) == 64, "layout");
static_assert(sizeof(struct tsfpm_log_index) == 128, "layout");
static_assert(offsetof(struct tsfpm_log_index, tail) == 64, "layout");
static_assert(sizeof(struct tsfpm_log_record) == 56, "layout");

/* Where the rings start, counted from the board. */
static inline uint64_t tsfpm_log_rings_offset(uint32_t slot_count)
{
    uint64_t used = sizeof(struct tsfpm_log_board) + (uint64_t)slot_count * sizeof(struct tsfpm_log_index);
    return (used + 4095) / 4096 * 4096;
}

/* Bytes of all of it; 0 where there are no rings. */
static inline uint64_t tsfpm_log_area_size(uint32_t slot_count, uint32_t ring_size)
{
    return ring_size == 0 ? 0 : tsfpm_log_rings_offset(slot_count) + (uint64_t)slot_count * ring_size;
}

#endif
