/* What a new worker gives up before it serves: identity.c. */
#ifndef TSFPM_IDENTITY_H
#define TSFPM_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct tsfpm_identity {
    const char *pool;
    const char *user; /* for messages */
    const char *chroot, *chdir, *apparmor_hat; /* NULL: none */
    bool has_uid, has_gid, has_priority, dumpable;
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t group_count;
    struct rlimit files;               /* of descriptors, where the pool names none */
    int64_t rlimit_files, rlimit_core; /* 0: untouched; -1: unlimited */
    int32_t priority;
};

/* Takes all of it, in php-fpm's order. A step that fails is told on stderr and ends this process: it never serves. */
void tsfpm_identity_take(const struct tsfpm_identity *wanted);

/* "ERROR: [pool POOL] STEP: errno's text", and the end of this worker. */
_Noreturn void tsfpm_worker_fails(const char *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
