/*
 * The scoreboard: what the workers of one generation tell about themselves.
 *
 * One anonymous shared file for each generation, made, sized and sealed by the master, mapped by the zygote and so
 * by every worker it forks. A header of one page, then one slot of TSFPM_SLOT_SIZE bytes for each possible worker.
 *
 *      0        4096      +8192     +8192
 *      | header | slot 0  | slot 1  | ...
 *
 * Who writes: the master fills in the header's first part before the zygote exists, and later sets `draining` and
 * `leave`; the zygote alone writes the counters that outlive workers and clears slots; each worker writes its own slot
 * and the few words of the header that are marked shared, atomically. Who reads: the master, by file reads. It takes
 * every byte for hostile.
 *
 * How a reader knows that its copy of a slot is whole: the owner makes `sequence` odd, writes, and makes it even
 * again, with barriers between. A reader copies the slot and takes the copy only if `sequence` was even and is
 * unchanged. A worker that was killed in between leaves it odd until the zygote clears the slot.
 *
 * Only fixed-width integers and byte arrays, native byte order, no pointers. src/scoreboard/layout.ts names the same
 * fields; test/integration compares both through `offsetof`.
 */
#ifndef TSFPM_SCOREBOARD_H
#define TSFPM_SCOREBOARD_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TSFPM_SCOREBOARD_MAGIC 0x50465354u /* "TSFP" in memory */
#define TSFPM_SCOREBOARD_VERSION 4u
#define TSFPM_HEADER_SIZE 4096u
#define TSFPM_SLOT_SIZE 8192u
#define TSFPM_PARAMS_SIZE 7680u
#define TSFPM_DURATION_BUCKETS 16u /* upper bounds in own-slot.c and src/scoreboard/layout.ts; the last has none */
#define TSFPM_STATUS_CLASSES 6u    /* 1xx to 5xx, and answers without a known status */

/* Stages of a worker; php-fpm's, and one for a kept-alive connection that waits, which there counts as running. */
enum tsfpm_stage {
    TSFPM_STAGE_FREE = 0,            /* the slot has no worker */
    TSFPM_STAGE_ACCEPTING = 1,       /* idle */
    TSFPM_STAGE_READING_HEADERS = 2, /* a connection has data */
    TSFPM_STAGE_INFO = 3,            /* the parameters are known */
    TSFPM_STAGE_EXECUTING = 4,       /* the script runs */
    TSFPM_STAGE_FINISHED = 5,        /* the script has ended, the connection closes */
    TSFPM_STAGE_WAITING = 6,         /* idle on a kept-alive connection */
    TSFPM_STAGE_STARTING = 7,        /* forked, not yet in accept */
};

struct tsfpm_scoreboard_header {
    uint32_t magic;
    uint32_t version;
    uint64_t total_size; /* bytes, this header included */
    uint32_t slot_size;
    uint32_t slot_count;

    uint32_t draining; /* finish what is in hand, accept nothing more. Set by zygote and master */
    uint32_t log_ring_size; /* bytes of each ring behind the slots, see log-ring.h; 0: there are none */

    /* Sums over workers that have ended; written by the zygote when it reaps. */
    uint64_t past_accepted; /* requests begun */
    uint64_t past_finished; /* requests ended */
    uint64_t past_memory_peak; /* bytes, the largest of any request */
    uint64_t past_duration_sum_ns;
    uint64_t past_duration_buckets[TSFPM_DURATION_BUCKETS];
    uint64_t past_cpu_sum_ns;
    uint64_t past_status_classes[TSFPM_STATUS_CLASSES];

    uint8_t padding[8]; /* the words below have cache lines of their own */

    /*
     * Shared: each worker counts itself in and out, atomically; the zygote takes back the share of one that died.
     * `armed` is set by the zygote when the master wants to know that fewer than so many are idle; the worker that
     * finds it so swaps it back to 0 and tells, so that a saturated pool tells once.
     */
    int32_t idle;       /* workers inside accept() */
    int32_t waiting;    /* workers with nothing in hand, on a kept-alive connection */
    int32_t ready;      /* workers that have reached accept() at least once */
    int32_t max_active; /* the most of them that were neither idle nor waiting */
    int32_t lowest_idle; /* the fewest idle since the master last set this to the number of slots */
    uint32_t armed;
    uint64_t gone; /* clients that had left the listen queue before a worker took them */
    uint32_t has_keeper;     /* kept connections may come from the pool's keeper. Set by the zygote, with its socket */
    uint32_t is_keeper_away; /* it takes none: it has died and comes back, or the pool ends. Set by the master */
};

struct tsfpm_slot {
    uint32_t sequence;
    int32_t pid;
    uint32_t stage;    /* enum tsfpm_stage */
    uint32_t leave;    /* end after what is in hand, however soon the next request comes. Set by zygote and master */
    uint64_t start_ns;         /* CLOCK_MONOTONIC, when the worker was forked */
    uint64_t start_epoch_us;   /* CLOCK_REALTIME */
    uint64_t accepted;         /* requests begun, the present one included */
    uint64_t finished;         /* requests ended */
    uint64_t request_start_ns; /* CLOCK_MONOTONIC, first byte of the present or last request */
    uint64_t request_start_epoch_us;
    uint64_t request_duration_ns; /* of the last finished request */
    uint64_t request_cpu_ns;      /* user and system time of the last finished request */
    uint64_t request_memory;      /* peak bytes of the last finished request */
    uint64_t memory_peak;         /* the largest request_memory of this worker */
    uint64_t idle_since_ns;       /* CLOCK_MONOTONIC, when it last became idle */
    uint32_t params_length;       /* bytes of params[] in use */
    uint32_t params_total;        /* bytes that the client sent; more than fit are cut */
    uint64_t duration_sum_ns;     /* of all requests ended */
    uint64_t duration_buckets[TSFPM_DURATION_BUCKETS]; /* requests ended, by duration */
    uint64_t cpu_sum_ns;          /* user and system time of all requests ended */
    uint64_t status_classes[TSFPM_STATUS_CLASSES]; /* requests ended, by the first digit of their HTTP status */
    uint8_t open_output[2]; /* zygote: what it took from stdout, or stderr, may lack its newline */
    uint8_t has_no_script;  /* the present or last request asked for a script that is not there, as pages usually do */
    uint8_t padding[TSFPM_SLOT_SIZE - TSFPM_PARAMS_SIZE - 131 - 8 * (TSFPM_DURATION_BUCKETS + TSFPM_STATUS_CLASSES)];
    uint8_t params[TSFPM_PARAMS_SIZE]; /* FastCGI name-value pairs of the present or last request, as sent */
};

static_assert(offsetof(struct tsfpm_scoreboard_header, past_accepted) == 32, "layout");
static_assert(offsetof(struct tsfpm_scoreboard_header, idle) == 256, "layout");
static_assert(sizeof(struct tsfpm_scoreboard_header) <= TSFPM_HEADER_SIZE, "layout");
static_assert(offsetof(struct tsfpm_slot, params_length) == 104, "layout");
static_assert(offsetof(struct tsfpm_slot, params) == TSFPM_SLOT_SIZE - TSFPM_PARAMS_SIZE, "layout");
static_assert(sizeof(struct tsfpm_slot) == TSFPM_SLOT_SIZE, "layout");

/* The mapped scoreboard, or NULL outside a zygote and its workers. */
extern struct tsfpm_scoreboard_header *tsfpm_scoreboard;

/* Maps the file behind fd and checks it. Returns 0, or -1 with errno (EPROTO: not ours or of another version). */
int tsfpm_scoreboard_map(int fd);

/*
 * Taken from the header once, by tsfpm_scoreboard_map, before any foreign code runs: whoever can write to the memory
 * can write there. What steers loops and sizes is asked for here.
 */
uint32_t tsfpm_scoreboard_slot_count(void);
uint32_t tsfpm_scoreboard_log_ring_size(void);

/* Puts empty memory of this process's own in its place. Async-signal-safe. */
void tsfpm_scoreboard_hide(void);

/* The slot, which must be below the number of slots. */
struct tsfpm_slot *tsfpm_scoreboard_slot(uint32_t index);

/* Zygote: every worker finishes what it has in hand and ends. */
void tsfpm_scoreboard_drain(void);
bool tsfpm_scoreboard_is_draining(void); /* whatever workers have written there */

/* Zygote: from here on workers wait for connections from the keeper, too. */
void tsfpm_scoreboard_begin_keeping(void);

/* Zygote: for the next worker. Until then the slot tells what the last one was doing when it ended. */
void tsfpm_scoreboard_clear_slot(uint32_t index);

/* Zygote: what a worker that has ended counted goes into the sums; not what a probe counted, which served no client. */
void tsfpm_scoreboard_count_out(uint32_t index, bool is_probe);

/* Brackets for the owner's writes to a slot. */
static inline void tsfpm_slot_begin(struct tsfpm_slot *slot)
{
    uint32_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->sequence, sequence | 1u, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void tsfpm_slot_end(struct tsfpm_slot *slot)
{
    uint32_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->sequence, (sequence | 1u) + 1u, __ATOMIC_RELEASE);
}

#endif
