#define _GNU_SOURCE
#include "descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libc.h"

int tsfpm_descriptor_move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, TSFPM_OWN_FDS_FROM);
    if (moved < 0) tsfpm_die("cannot renumber a descriptor: %s", strerror(errno));
    tsfpm_libc()->close(fd);
    return moved;
}

/*
 * Closing all descriptors from a number on: Linux has a call for it since 5.9, close_range(). Where that is missing,
 * or a seccomp filter refuses it, /proc tells which are open. Only async-signal-safe calls: children of programs with
 * threads come here.
 */

/* getdents64(2) */
struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

/* Linux's own limit where nobody has raised it: fs.nr_open */
#define MOST_DESCRIPTORS 1048576

static void close_one(long fd, int first, int kept)
{
    if (fd >= first && fd != kept) tsfpm_libc()->close((int)fd);
}

/* The kernel lists by number, and goes on behind the last one listed: to close one meanwhile makes it miss none. */
static bool close_listed(int first)
{
    int folder = tsfpm_libc()->open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return false;
    _Alignas(struct entry) char entries[4096];
    long length;
    while ((length = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0)
        for (long at = 0; at < length;) {
            const struct entry *entry = (const struct entry *)(entries + at);
            if (entry->name[0] != '.') close_one(atol(entry->name), first, folder);
            at += entry->length;
        }
    tsfpm_libc()->close(folder);
    return length == 0;
}

void tsfpm_descriptors_close_from(int first)
{
    struct rlimit files;
    if (syscall(SYS_close_range, first, ~0u, 0) == 0 || close_listed(first)) return;
    /* No /proc. What was opened under a higher limit than today's stays open. */
    bool is_lower = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < MOST_DESCRIPTORS;
    long end = is_lower ? (long)files.rlim_cur : MOST_DESCRIPTORS;
    for (long fd = first; fd < end; fd++) close_one(fd, first, -1);
}

void tsfpm_descriptors_close_own(void)
{
    tsfpm_descriptors_close_from(TSFPM_OWN_FDS_FROM);
}
