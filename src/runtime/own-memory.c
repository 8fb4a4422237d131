/*
 * A zygote that is forked from a template has the template's memory: what is private is copied by the kernel, page by
 * page, when either side writes. What is shared stays shared, which is what opcache and APCu want of their workers, and
 * what no pool may have in common with another one. So each fork replaces
 *
 *   every shared anonymous mapping that can be written, at its address, by a new one with the same contents: pointers
 *   into it and within it stay right; locks in it are free, since the template never serves. It may have pieces with
 *   rights of their own: opcache protects the part that holds the JIT's code, and makes it writable to add some
 *
 *   every lock file, at its number: opcache locks with fcntl() on a file that nothing names any more. Locks belong to a
 *   process and a file: pools would wait for each other, and a tenant could hold the lock of all of them
 *
 * What is shared in any other way is an obstacle: such a php-cgi is not forked for several pools.
 */
#define _GNU_SOURCE
#include "own-memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "descriptors.h"
#include "libc.h"

#define MOST_MAPPINGS 32
#define MOST_LOCK_FILES 32
#define SMALLEST_PAGE 4096u
#define LOOK_AT (64u << 20) /* bytes of a mapping whose pages are looked up at once */

/* How the kernel names a shared anonymous mapping. */
#define ANONYMOUS "/dev/zero (deleted)"

/* A line of /proc/self/maps. Those of one file follow each other, and cover it from its beginning. */
static struct mapping {
    uintptr_t start;
    size_t size, offset; /* in the file */
    unsigned long file;  /* its inode */
    int protection;      /* PROT_READ and others */
} mappings[MOST_MAPPINGS];
static size_t mapping_count;

static struct lock_file {
    int fd, flags;
} lock_files[MOST_LOCK_FILES];
static size_t lock_file_count;

static char obstacle[512];

static const char *is_obstacle(const char *what, const char *name)
{
    snprintf(obstacle, sizeof obstacle, "%s%s%s", what, name[0] != '\0' ? ": " : "", name);
    return obstacle;
}

/* ---- looking ---- */

static int protection_of(const char rights[])
{
    return (rights[0] == 'r' ? PROT_READ : 0) | (rights[1] == 'w' ? PROT_WRITE : 0) |
           (rights[2] == 'x' ? PROT_EXEC : 0);
}

/* The beginning of a file, or what follows in the file and in memory upon the mapping that was found before. */
static bool is_whole_so_far(const struct mapping *mapping)
{
    const struct mapping *before = mapping_count > 0 ? &mappings[mapping_count - 1] : NULL;
    if (mapping->offset == 0) return true;
    return before != NULL && before->file == mapping->file && before->start + before->size == mapping->start &&
           before->offset + before->size == mapping->offset;
}

/* proc(5), /proc/PID/smaps: a line as in maps for each mapping, then lines of which VmFlags is the last. */
static const char *look_at_mappings(void)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    if (file == NULL) return is_obstacle("/proc/self/smaps cannot be read", strerror(errno));
    const char *found = NULL;
    char line[4352], name[4200] = "";
    struct mapping mapping = {0};
    char rights[5] = "";
    mapping_count = 0;
    while (found == NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long start, end, offset, inode;
        int name_at = 0;
        if (sscanf(line, "%lx-%lx %4s %lx %*s %lu %n", &start, &end, rights, &offset, &inode, &name_at) == 5 &&
            name_at > 0) {
            mapping = (struct mapping){start, end - start, offset, inode, protection_of(rights)};
            snprintf(name, sizeof name, "%s", line + name_at);
            name[strcspn(name, "\n")] = '\0';
            continue;
        }
        if (strncmp(line, "VmFlags:", 8) != 0 || rights[3] != 's') continue;
        /* "mw": it could be made writable, even where it is not now. */
        if (strstr(line, " mw") == NULL) continue;
        if (strcmp(name, ANONYMOUS) != 0 || !is_whole_so_far(&mapping))
            found = is_obstacle("it shares memory with other processes", name);
        else if (rights[0] != 'r') found = is_obstacle("it protects parts of its shared memory", rights);
        else if (mapping_count == MOST_MAPPINGS) found = is_obstacle("it has too many pieces of shared memory", "");
        else mappings[mapping_count++] = mapping;
    }
    fclose(file);
    return found;
}

static bool is_harmless_device(const struct stat *st)
{
    if (!S_ISCHR(st->st_mode) || major(st->st_rdev) != 1) return false;
    unsigned minor_number = minor(st->st_rdev); /* Documentation/admin-guide/devices.txt: null, zero, random, urandom */
    return minor_number == 3 || minor_number == 5 || minor_number == 8 || minor_number == 9;
}

/* Nothing names it and nothing is in it: it is there to be locked. */
static bool is_lock_file(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 0 && st->st_size == 0;
}

static const char *look_at_descriptor(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return is_obstacle("a descriptor cannot be looked at", strerror(errno));
    if (is_harmless_device(&st)) return NULL;
    if (is_lock_file(&st)) {
        if (lock_file_count == MOST_LOCK_FILES) return is_obstacle("it has too many lock files", "");
        lock_files[lock_file_count++] = (struct lock_file){.fd = fd, .flags = fcntl(fd, F_GETFD)};
        return NULL;
    }
    char path[64], name[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(path, name, sizeof name - 1);
    if (length < 0) name[0] = '\0';
    return is_obstacle("it keeps something open", name);
}

static const char *look_at_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) return is_obstacle("/proc/self/fd cannot be read", strerror(errno));
    const char *found = NULL;
    lock_file_count = 0;
    for (struct dirent *entry; found == NULL && (entry = readdir(folder)) != NULL;) {
        int fd = atoi(entry->d_name);
        /* Each fork gets its own of the first three; the template's own are closed. */
        if (entry->d_name[0] == '.' || fd <= STDERR_FILENO || fd >= TSFPM_OWN_FDS_FROM || fd == dirfd(folder)) continue;
        found = look_at_descriptor(fd);
    }
    closedir(folder);
    return found;
}

const char *tsfpm_fork_obstacle(void)
{
    struct stat st;
    if (stat("/proc/self/task", &st) != 0) return is_obstacle("/proc/self/task cannot be read", strerror(errno));
    return st.st_nlink - 2 == 1 ? NULL : is_obstacle("an extension has started threads", "");
}

/* Opens the file behind a mapping, which has no other name. This needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN. */
static int open_mapping(const struct mapping *mapping)
{
    char path[80];
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", mapping->start, mapping->start + mapping->size);
    return tsfpm_libc()->open(path, O_RDONLY | O_CLOEXEC);
}

static bool has_swap(void)
{
    FILE *file = fopen("/proc/swaps", "re");
    char line[256];
    bool has = file == NULL || (fgets(line, sizeof line, file) != NULL && fgets(line, sizeof line, file) != NULL);
    if (file != NULL) fclose(file);
    return has;
}

/*
 * mincore() does not see pages that were swapped out: without the file behind a mapping they would be lost. A seccomp
 * filter may refuse it.
 */
static const char *look_at_copying(void)
{
    for (size_t i = 0; i < mapping_count; i++) {
        int fd = open_mapping(&mappings[i]);
        if (fd >= 0) {
            tsfpm_libc()->close(fd);
            continue;
        }
        int error = errno;
        if (has_swap()) return is_obstacle("its shared memory may be swapped out and cannot be read", strerror(error));
        unsigned char is_there;
        if (mincore((void *)mappings[i].start, 1, &is_there) != 0)
            return is_obstacle("what of its shared memory is in use cannot be found out", strerror(errno));
    }
    return NULL;
}

const char *tsfpm_own_memory_obstacle(void)
{
    const char *found = look_at_mappings();
    if (found == NULL) found = look_at_descriptors();
    if (found == NULL) found = look_at_copying();
    return found;
}

/* ---- taking ---- */

static bool is_zero(const char *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

/*
 * opcache clears tables that are far larger than what is in them. A page that nobody has written is zero, too, and
 * takes no memory.
 */
static void copy_pages(const char *source, char *target, size_t size, size_t page_size)
{
    for (size_t at = 0; at < size; at += page_size)
        if (!is_zero(source + at, page_size)) memcpy(target + at, source + at, page_size);
}

static void copy_as_file_tells(int fd, const struct mapping *mapping, char *target, size_t page_size)
{
    const char *source = (const char *)mapping->start;
    const off_t first = (off_t)mapping->offset, past = first + (off_t)mapping->size;
    off_t at = first;
    while (at < past && (at = lseek(fd, at, SEEK_DATA)) >= 0 && at < past) {
        off_t end = lseek(fd, at, SEEK_HOLE);
        if (end < 0 || end > past) end = past;
        copy_pages(source + (at - first), target + (at - first), (size_t)(end - at), page_size);
        at = end;
    }
    if (at < 0 && errno != ENXIO) tsfpm_die("cannot copy shared memory: %s", strerror(errno)); /* ENXIO: nothing more */
}

static void copy_resident(const struct mapping *mapping, char *target, size_t page_size)
{
    static unsigned char is_there[LOOK_AT / SMALLEST_PAGE];
    for (size_t from = 0; from < mapping->size; from += LOOK_AT) {
        size_t size = mapping->size - from < LOOK_AT ? mapping->size - from : LOOK_AT;
        const char *source = (const char *)mapping->start + from;
        if (mincore((void *)(uintptr_t)source, size, is_there) != 0) tsfpm_die("mincore: %s", strerror(errno));
        for (size_t at = 0; at < size; at += page_size)
            if ((is_there[at / page_size] & 1) != 0) copy_pages(source + at, target + from + at, page_size, page_size);
    }
}

static void copy_mapping(const struct mapping *mapping, char *target)
{
    const size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    int fd = open_mapping(mapping);
    if (fd >= 0) {
        copy_as_file_tells(fd, mapping, target, page_size);
        tsfpm_libc()->close(fd);
    } else {
        int error = errno;
        if (has_swap()) tsfpm_die("cannot read shared memory as a file: %s", strerror(error));
        copy_resident(mapping, target, page_size);
    }
}

/* All mappings of one file, of which this is the first. Returns how many there are. */
static size_t take_file(const struct mapping *first)
{
    const struct mapping *end = &mappings[mapping_count], *past = first;
    size_t size = 0;
    do size += past++->size;
    while (past < end && past->offset != 0);
    char *own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (own == MAP_FAILED) tsfpm_die("no shared memory of its own: %s", strerror(errno));
    for (const struct mapping *piece = first; piece < past; piece++) {
        char *target = own + piece->offset;
        copy_mapping(piece, target);
        if (piece->protection != (PROT_READ | PROT_WRITE) && mprotect(target, piece->size, piece->protection) != 0)
            tsfpm_die("cannot protect shared memory: %s", strerror(errno));
    }
    /* Only now, since code of the JIT may be called at any time; and one by one: mremap moves no two at once. */
    for (const struct mapping *piece = first; piece < past; piece++)
        if (mremap(own + piece->offset, piece->size, piece->size, MREMAP_MAYMOVE | MREMAP_FIXED,
                   (void *)piece->start) == MAP_FAILED)
            tsfpm_die("cannot replace shared memory: %s", strerror(errno));
    return (size_t)(past - first);
}

static void take_lock_file(const struct lock_file *file)
{
    int own = memfd_create("tsfpm lock", MFD_CLOEXEC);
    if (own < 0 || dup3(own, file->fd, (file->flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0) < 0)
        tsfpm_die("no lock file of its own: %s", strerror(errno));
    tsfpm_libc()->close(own);
}

void tsfpm_own_memory_take(void)
{
    for (size_t i = 0; i < mapping_count;) i += take_file(&mappings[i]);
    for (size_t i = 0; i < lock_file_count; i++) take_lock_file(&lock_files[i]);
}
