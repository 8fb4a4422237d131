#include "scoreboard.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "log-ring.h"

struct tsfpm_scoreboard_header *tsfpm_scoreboard;

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
    if (header->magic != TSFPM_SCOREBOARD_MAGIC || header->version != TSFPM_SCOREBOARD_VERSION ||
        header->slot_size != TSFPM_SLOT_SIZE || header->total_size != (uint64_t)st.st_size ||
        header->total_size != TSFPM_HEADER_SIZE + (uint64_t)header->slot_count * TSFPM_SLOT_SIZE +
                                  tsfpm_log_area_size(header->slot_count, header->log_ring_size)) {
        munmap(memory, (size_t)st.st_size);
        errno = EPROTO;
        return -1;
    }
    tsfpm_scoreboard = header;
    return 0;
}

struct tsfpm_slot *tsfpm_scoreboard_slot(uint32_t index)
{
    return (struct tsfpm_slot *)((char *)tsfpm_scoreboard + TSFPM_HEADER_SIZE) + index;
}
