/*
 * The steps between a fork and a worker that may serve: limits, jail, identity. They run with the zygote's rights, in
 * php-fpm's order and with its messages. One that fails ends the worker, so that none ever serves with more rights than
 * its pool asks for.
 */
#define _GNU_SOURCE
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apparmor.h"
#include "libc.h"

_Noreturn void tsfpm_worker_fails(const char *pool, const char *format, ...)
{
    static char step[2 * PATH_MAX];
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(step, sizeof step, format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "ERROR: [pool %s] %s: %s (%d)\n", pool, step, strerror(error), error);
    dprintf(STDERR_FILENO, "ERROR: [pool %s] child failed to initialize\n", pool);
    _exit(70);
}

/* Not fatal, as under php-fpm: only raising a limit can fail, and the worker then has less than it asked for. */
static void limit(const char *pool, int resource, int64_t value, const char *name)
{
    struct rlimit wanted;
    if (value == 0) return;
    wanted.rlim_cur = wanted.rlim_max = value < 0 ? RLIM_INFINITY : (rlim_t)value;
    if (setrlimit(resource, &wanted) != 0)
        dprintf(STDERR_FILENO,
                "ERROR: [pool %s] failed to set %s for this pool. Please check your system limits or decrease %s. "
                "setrlimit(%s, %lld): %s (%d)\n",
                pool, name, name, resource == RLIMIT_CORE ? "RLIMIT_CORE" : "RLIMIT_NOFILE", (long long)value,
                strerror(errno), errno);
}

static void enter_directories(const struct tsfpm_identity *wanted)
{
    const char *start = wanted->chdir;
    if (wanted->chroot != NULL) {
        if (chroot(wanted->chroot) != 0) tsfpm_worker_fails(wanted->pool, "failed to chroot(%s)", wanted->chroot);
        /* In any case: a working directory outside of the jail is a way out of it. */
        if (start == NULL) start = "/";
    }
    if (start != NULL && chdir(start) != 0) tsfpm_worker_fails(wanted->pool, "failed to chdir(%s)", start);
}

/* Where the master was started with certain securebits, the kernel leaves root's capabilities to a user. */
static bool has_capabilities(const char *pool)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, sets) != 0) tsfpm_worker_fails(pool, "failed to capget()");
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        if ((sets[i].effective | sets[i].permitted) != 0) return true;
    return false;
}

static void become_user(const struct tsfpm_identity *wanted)
{
    gid_t gids[3];
    uid_t uids[3];
    if (setresgid(wanted->gid, wanted->gid, wanted->gid) != 0)
        tsfpm_worker_fails(wanted->pool, "failed to setgid(%u)", wanted->gid);
    if (setgroups(wanted->group_count, wanted->groups) != 0)
        tsfpm_worker_fails(wanted->pool, "failed to initgroups(%s, %u)", wanted->user, wanted->gid);
    if (setresuid(wanted->uid, wanted->uid, wanted->uid) != 0)
        tsfpm_worker_fails(wanted->pool, "failed to setuid(%u)", wanted->uid);
    errno = EPERM;
    if (getresgid(&gids[0], &gids[1], &gids[2]) != 0)
        tsfpm_worker_fails(wanted->pool, "failed to setgid(%u)", wanted->gid);
    if (getresuid(&uids[0], &uids[1], &uids[2]) != 0)
        tsfpm_worker_fails(wanted->pool, "failed to setuid(%u)", wanted->uid);
    for (int i = 0; i < 3; i++) {
        if (gids[i] != wanted->gid) tsfpm_worker_fails(wanted->pool, "failed to setgid(%u)", wanted->gid);
        if (uids[i] != wanted->uid) tsfpm_worker_fails(wanted->pool, "failed to setuid(%u)", wanted->uid);
    }
    if (wanted->uid != 0 && has_capabilities(wanted->pool))
        tsfpm_worker_fails(wanted->pool,
                           "failed to setuid(%u), capabilities of root remain (see the securebits of the master)",
                           wanted->uid);
}

static void change_hat(const struct tsfpm_identity *wanted, int proc)
{
    static char confinement[PATH_MAX];
    if (proc >= 0 && tsfpm_apparmor_change(proc, wanted->apparmor_hat, confinement, sizeof confinement) == 0) return;
    if (confinement[0] == '\0')
        tsfpm_worker_fails(wanted->pool,
                           "failed to query apparmor confinement. Please check if \"/proc/*/attr/current\" is read and "
                           "writeable.");
    tsfpm_worker_fails(wanted->pool,
                       "failed to change to new confinement (%s//%s). Please check if \"/proc/*/attr/current\" is read "
                       "and writeable and \"change_profile -> %s//*\" is allowed.",
                       confinement, wanted->apparmor_hat, confinement);
}

void tsfpm_identity_take(const struct tsfpm_identity *wanted)
{
    int proc = -1;
    /* The zygote's own limit may be higher; to lower it cannot fail. 0: it is not known. */
    if (wanted->files.rlim_max > 0) setrlimit(RLIMIT_NOFILE, &wanted->files);
    limit(wanted->pool, RLIMIT_NOFILE, wanted->rlimit_files, "rlimit_files");
    limit(wanted->pool, RLIMIT_CORE, wanted->rlimit_core, "rlimit_core");
    if (wanted->apparmor_hat != NULL) {
        proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (proc < 0) change_hat(wanted, proc);
    }
    enter_directories(wanted);
    if (wanted->has_priority && setpriority(PRIO_PROCESS, 0, wanted->priority) != 0)
        tsfpm_worker_fails(wanted->pool, "Unable to set priority for this new process");
    if (wanted->has_uid) become_user(wanted);
    if (wanted->dumpable && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) /* not fatal, as under php-fpm */
        dprintf(STDERR_FILENO, "ERROR: [pool %s] failed to prctl(PR_SET_DUMPABLE): %s (%d)\n", wanted->pool,
                strerror(errno), errno);
    if (wanted->apparmor_hat != NULL) {
        change_hat(wanted, proc);
        tsfpm_libc()->close(proc); /* in a jail it is a way out */
    }
}
