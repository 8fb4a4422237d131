/*
 * ext/opcache/ZendAccelerator.c: each worker has a read lock of byte 1 of opcache's lock file while it is within a
 * request. Before one empties opcache it asks the kernel who else has that lock. The answer matters rarely; the lock
 * costs two system calls a request.
 *
 * In its place each worker has a flag, which says that it is within a request, in memory that the runtime shares among
 * all of them. It is made before any zygote is forked, and treated as opcache's memory is: shared by the zygotes of an
 * opcache.share, copied for those of other pools (own-memory.c).
 *
 * A worker that is killed cannot take its flag back. So a flag is true only while its owner lives, and that the kernel
 * tells: for its life, each worker has a write lock of a byte of its own in the same file, far behind opcache's bytes.
 * It is released by the kernel whatever ends the worker, and who asks for it is told the owner's pid, as opcache is
 * that of whoever has byte 1.
 *
 * Whoever is no worker uses the kernel's locks as before, and is asked for as well. Children of scripts have neither
 * locks nor flags: locks are not inherited.
 */
#define _GNU_SOURCE
#include "opcache-lock.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "libc.h"

/* Workers that share an opcache: more than these use the kernel's locks. */
#define MOST_WORKERS 4096
/* Bytes of the lock file: opcache has the first ones. */
#define LIVES_FROM 4096

/* One each in a line of the processor's cache: workers write them all the time. */
struct line {
    _Alignas(64) uint32_t value;
};
static struct {
    struct line *is_within; /* of each worker: 1 within a request */
    uint32_t *used;         /* how many of these were ever used */
} shared;

enum { UNKNOWN = -1, NONE = -2 }; /* no lock was asked for yet; the kernel's locks it is */
static int own = NONE;
static int lock_fd = -1;
static int first_tried;
static bool has_others; /* locks of opcache's other bytes, which only opcache itself releases one by one */

void tsfpm_opcache_lock_prepare(void)
{
    size_t size = (MOST_WORKERS + 1) * sizeof(struct line);
    struct line *lines = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lines == MAP_FAILED) return; /* then the kernel's locks do */
    shared.used = &lines[0].value;
    shared.is_within = lines + 1;
}

void tsfpm_opcache_lock_begin(uint32_t slot_index)
{
    own = shared.used != NULL ? UNKNOWN : NONE;
    first_tried = (int)(slot_index % MOST_WORKERS);
}

static int ask_kernel(int fd, int command, struct flock *lock)
{
    return tsfpm_libc()->fcntl(fd, command, lock);
}

static struct flock life_of(int worker)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LIVES_FROM + worker, .l_len = 1};
}

/* ---- this worker's flag ---- */

/* Nothing names opcache's lock file, and nothing is in it. */
static bool is_lock_file(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0 && st.st_size == 0;
}

/*
 * Whose life lock can be had, belongs to nobody alive. In a pool that shares with none that is the one of the worker's
 * slot at once.
 */
static void find_own(int fd)
{
    own = NONE;
    if (!is_lock_file(fd)) return;
    for (int tries = 0; tries < MOST_WORKERS; tries++) {
        int worker = (first_tried + tries) % MOST_WORKERS;
        struct flock life = life_of(worker);
        if (ask_kernel(fd, F_SETLK, &life) != 0) continue;
        __atomic_store_n(&shared.is_within[worker].value, 0, __ATOMIC_SEQ_CST);
        uint32_t used = __atomic_load_n(shared.used, __ATOMIC_SEQ_CST), wanted = (uint32_t)worker + 1;
        while (used < wanted && !__atomic_compare_exchange_n(shared.used, &used, wanted, false, __ATOMIC_SEQ_CST,
                                                             __ATOMIC_SEQ_CST)) {
        }
        own = worker;
        lock_fd = fd;
        return;
    }
}

/* Before anything of opcache's memory is read, and after: as by a lock of the kernel. */
static void set_own(uint32_t is_within)
{
    __atomic_store_n(&shared.is_within[own].value, is_within, __ATOMIC_RELEASE);
    if (is_within) __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* ---- others' flags ---- */

/* Returns true where another worker is within a request, and tells as the kernel does of one that has the lock. */
static bool is_another_within(int fd, struct flock *lock)
{
    uint32_t used = __atomic_load_n(shared.used, __ATOMIC_SEQ_CST);
    for (int i = 0; i < MOST_WORKERS && (uint32_t)i < used; i++) {
        if (i == own || __atomic_load_n(&shared.is_within[i].value, __ATOMIC_SEQ_CST) == 0) continue;
        struct flock life = life_of(i);
        if (ask_kernel(fd, F_GETLK, &life) != 0 || life.l_type == F_UNLCK) continue; /* it has died within it */
        *lock = (struct flock){
            .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1, .l_pid = life.l_pid};
        return true;
    }
    return false;
}

/* ---- the hook ---- */

static bool covers(const struct flock *lock, off_t start, off_t length)
{
    return lock->l_whence == SEEK_SET && lock->l_start == start && lock->l_len == length;
}

static int release_all_but_life(int fd)
{
    const off_t life = LIVES_FROM + own;
    struct flock before = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = life};
    struct flock behind = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = life + 1, .l_len = 0};
    return ask_kernel(fd, F_SETLK, &before) == 0 ? ask_kernel(fd, F_SETLK, &behind) : -1;
}

static int set_lock(int fd, int command, struct flock *lock)
{
    bool is_within_lock = covers(lock, 1, 1);
    if (is_within_lock && lock->l_type == F_RDLCK && own == UNKNOWN) find_own(fd);
    if (own < 0 || fd != lock_fd) return ask_kernel(fd, command, lock);
    bool is_release = lock->l_type == F_UNLCK;
    if (is_within_lock && (is_release || lock->l_type == F_RDLCK)) {
        set_own(!is_release);
        return 0;
    }
    if (is_release && covers(lock, 0, 0)) { /* of all locks, which at a request's end are this one */
        set_own(0);
        if (!has_others) return 0;
        has_others = false;
        return release_all_but_life(fd);
    }
    if (!is_release) has_others = true;
    return ask_kernel(fd, command, lock);
}

int tsfpm_opcache_lock_fcntl(int fd, int command, void *argument)
{
    if (tsfpm_role == TSFPM_ROLE_WORKER && own != NONE) {
        struct flock *lock = argument;
        if (command == F_SETLK || command == F_SETLKW) return set_lock(fd, command, lock);
        bool is_asked = command == F_GETLK && lock->l_type == F_WRLCK && covers(lock, 1, 1) && is_lock_file(fd);
        if (is_asked && is_another_within(fd, lock)) return 0;
    }
    return tsfpm_libc()->fcntl(fd, command, argument);
}
