/*
 * The scoreboard's sizes: a header that says anything, over a file of any size. What is taken lies within the file, and what
 * is written into the header afterwards changes nothing.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/runtime/log-ring.h"
#include "../../src/runtime/scoreboard.h"
#include "fuzz.h"

#define SLOTS_MOST 8

/* Values that are nearly right, or make a product wrap. */
static uint32_t any_count(uint32_t right)
{
    static const uint32_t extremes[] = {0, 1, 0xffffffff, 0x80000000, 0x7fffffff, 0x80000, 0x100000};
    switch (fuzz_below(4)) {
    case 0: return right;
    case 1: return right + (uint32_t)fuzz_below(3) - 1;
    case 2: return extremes[fuzz_below(sizeof extremes / sizeof *extremes)];
    default: return (uint32_t)fuzz_next();
    }
}

static void fuzz_round(void)
{
    uint32_t slots = 1 + (uint32_t)fuzz_below(SLOTS_MOST), ring = fuzz_below(2) == 0 ? 0 : 4096;
    uint64_t size = TSFPM_HEADER_SIZE + (uint64_t)slots * TSFPM_SLOT_SIZE + tsfpm_log_area_size(slots, ring);
    struct tsfpm_scoreboard_header header = {
        .magic = TSFPM_SCOREBOARD_MAGIC,
        .version = TSFPM_SCOREBOARD_VERSION,
        .total_size = fuzz_below(8) == 0 ? fuzz_next() : size,
        .slot_size = fuzz_below(8) == 0 ? (uint32_t)fuzz_next() : TSFPM_SLOT_SIZE,
        .slot_count = any_count(slots),
        .log_ring_size = any_count(ring),
    };
    int fd = memfd_create("sizes", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || pwrite(fd, &header, sizeof header, 0) < 0) fuzz_fail("no file");
    bool is_taken = tsfpm_scoreboard_map(fd) == 0;
    close(fd);
    if (!is_taken) {
        if (header.slot_count == slots && header.log_ring_size == ring && header.total_size == size &&
            header.slot_size == TSFPM_SLOT_SIZE)
            fuzz_fail("a right header is refused");
        return;
    }
    memset(tsfpm_scoreboard, 0xff, TSFPM_HEADER_SIZE);
    uint32_t taken_slots = tsfpm_scoreboard_slot_count(), taken_ring = tsfpm_scoreboard_log_ring_size();
    if (taken_slots != header.slot_count || taken_ring != header.log_ring_size) fuzz_fail("the sizes have changed");
    uint64_t end = TSFPM_HEADER_SIZE + (uint64_t)taken_slots * TSFPM_SLOT_SIZE;
    if (taken_slots > SLOTS_MOST || end > size || taken_ring > size) fuzz_fail("%u slots in %zu bytes", taken_slots, (size_t)size);
    /* All of it is there. */
    memset((char *)tsfpm_scoreboard + TSFPM_HEADER_SIZE, 0xff, (size_t)(size - TSFPM_HEADER_SIZE));
    tsfpm_scoreboard_hide();
    if (tsfpm_scoreboard->magic != 0) fuzz_fail("what is hidden can be read");
    munmap(tsfpm_scoreboard, (size_t)size);
}

int main(int argc, char **argv)
{
    return fuzz_main(argc, argv, fuzz_round);
}
