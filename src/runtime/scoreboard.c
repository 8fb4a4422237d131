#define _GNU_SOURCE
#include "scoreboard.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log-ring.h"

struct tsfpm_scoreboard_header *tsfpm_scoreboard;

static size_t mapped_size;
static uint32_t slot_count, log_ring_size;

/* Divisions first: no product below is larger than the file. */
static bool is_right(const struct tsfpm_scoreboard_header *header, uint64_t size)
{
    if (header->magic != TSFPM_SCOREBOARD_MAGIC || header->version != TSFPM_SCOREBOARD_VERSION) return false;
    if (header->slot_size != TSFPM_SLOT_SIZE || header->total_size != size) return false;
    uint32_t slots = header->slot_count, ring_size = header->log_ring_size;
    if (slots == 0 || slots > size / TSFPM_SLOT_SIZE || ring_size > size / slots) return false;
    return size == TSFPM_HEADER_SIZE + (uint64_t)slots * TSFPM_SLOT_SIZE + tsfpm_log_area_size(slots, ring_size);
}

int tsfpm_scoreboard_map(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return -1;
    if (st.st_size < (off_t)TSFPM_HEADER_SIZE) {
        errno = EPROTO;
        return -1;
    }
    void *memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return -1;
    struct tsfpm_scoreboard_header *header = memory;
    if (!is_right(header, (uint64_t)st.st_size)) {
        munmap(memory, (size_t)st.st_size);
        errno = EPROTO;
        return -1;
    }
    mapped_size = (size_t)st.st_size;
    slot_count = header->slot_count;
    log_ring_size = header->log_ring_size;
    tsfpm_scoreboard = header;
    return 0;
}

uint32_t tsfpm_scoreboard_slot_count(void)
{
    return slot_count;
}

uint32_t tsfpm_scoreboard_log_ring_size(void)
{
    return log_ring_size;
}

void tsfpm_scoreboard_hide(void)
{
    if (tsfpm_scoreboard == NULL) return;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    /* Code that still points there finds zeros, and writes for itself alone. */
    if (mmap(tsfpm_scoreboard, mapped_size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) _exit(70);
}

struct tsfpm_slot *tsfpm_scoreboard_slot(uint32_t index)
{
    return (struct tsfpm_slot *)((char *)tsfpm_scoreboard + TSFPM_HEADER_SIZE) + index;
}

/* ---- what the zygote alone writes ---- */

static bool is_draining;

void tsfpm_scoreboard_drain(void)
{
    is_draining = true;
    __atomic_store_n(&tsfpm_scoreboard->draining, 1, __ATOMIC_SEQ_CST);
}

bool tsfpm_scoreboard_is_draining(void)
{
    return is_draining;
}

void tsfpm_scoreboard_begin_keeping(void)
{
    /* Before the slots are read: a worker that writes there that it is idle reads this afterwards. */
    __atomic_store_n(&tsfpm_scoreboard->has_keeper, 1, __ATOMIC_SEQ_CST);
}

void tsfpm_scoreboard_clear_slot(uint32_t index)
{
    struct tsfpm_slot *slot = tsfpm_scoreboard_slot(index);
    tsfpm_slot_begin(slot);
    memset((char *)slot + sizeof slot->sequence, 0, sizeof *slot - sizeof slot->sequence);
    slot->stage = TSFPM_STAGE_STARTING;
    tsfpm_slot_end(slot);
    /* Workers can write there too: whatever one has left there is not for the next. */
    __atomic_store_n(&tsfpm_scoreboard->draining, is_draining ? 1u : 0u, __ATOMIC_SEQ_CST);
}

void tsfpm_scoreboard_count_out(uint32_t index, bool is_probe)
{
    struct tsfpm_slot *slot = tsfpm_scoreboard_slot(index);
    struct tsfpm_scoreboard_header *header = tsfpm_scoreboard;
    /* Until the end of it a reader finds the slot unreadable: nothing is counted here and there at once. */
    tsfpm_slot_begin(slot);
    if (!is_probe) {
        header->past_accepted += slot->accepted;
        header->past_finished += slot->finished;
        if (slot->memory_peak > header->past_memory_peak) header->past_memory_peak = slot->memory_peak;
        header->past_duration_sum_ns += slot->duration_sum_ns;
        for (size_t i = 0; i < TSFPM_DURATION_BUCKETS; i++)
            header->past_duration_buckets[i] += slot->duration_buckets[i];
        header->past_cpu_sum_ns += slot->cpu_sum_ns;
        for (size_t i = 0; i < TSFPM_STATUS_CLASSES; i++) header->past_status_classes[i] += slot->status_classes[i];
    }
    if (slot->stage == TSFPM_STAGE_ACCEPTING) __atomic_sub_fetch(&header->idle, 1, __ATOMIC_RELAXED);
    if (slot->stage == TSFPM_STAGE_WAITING) __atomic_sub_fetch(&header->waiting, 1, __ATOMIC_RELAXED);
    if (slot->stage != TSFPM_STAGE_STARTING) __atomic_sub_fetch(&header->ready, 1, __ATOMIC_RELAXED);
    slot->accepted = slot->finished = slot->memory_peak = slot->duration_sum_ns = slot->cpu_sum_ns = 0;
    memset(slot->duration_buckets, 0, sizeof slot->duration_buckets);
    memset(slot->status_classes, 0, sizeof slot->status_classes);
    tsfpm_slot_end(slot);
}
