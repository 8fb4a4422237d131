/*
 * A new worker: a fork of the zygote that gives up the zygote's descriptors and rights, in this order, before it
 * returns to php-cgi. What it prints comes through two pipes, what it tells and asks through a channel.
 */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "access-log.h"
#include "allowed-clients.h"
#include "channels.h"
#include "descriptors.h"
#include "errand.h"
#include "foreign-fork.h"
#include "forward.h"
#include "keeper-link.h"
#include "leave.h"
#include "libc.h"
#include "opcache-lock.h"
#include "output.h"
#include "scoreboard.h"
#include "title.h"
#include "worker.h"
#include "worker-table.h"

/* What a new worker is made from. */
struct plan {
    uint32_t slot;
    int listen_fd;
    bool is_probe;
    const struct tsfpm_settings *settings;
    int pipes[2][2]; /* stdout's and stderr's: the reading end is the zygote's */
    int channel[2];  /* [0] the zygote's */
    pid_t zygote;
};

/* ---- in the worker, still with the zygote's rights ---- */

/*
 * A pipe belongs to who made it, and /dev/stderr or /proc/self/fd/2 is opened anew with the worker's own rights.
 * Without the right to do this (CAP_CHOWN) such a path stays closed to scripts, as under php-fpm; what is open works
 * all the same.
 */
static void give_pipes(const int pipes[2][2], const struct tsfpm_identity *owner)
{
    for (int i = 0; i < 2; i++)
        if (fchown(pipes[i][1], owner->uid, owner->gid) != 0) return;
}

static void become_worker(const struct plan *plan)
{
    const struct tsfpm_settings *settings = plan->settings;
    const char *pool = settings->identity.pool;
    if (dup2(plan->pipes[0][1], STDOUT_FILENO) < 0 || dup2(plan->pipes[1][1], STDERR_FILENO) < 0) _exit(70);
    if (settings->identity.has_uid) give_pipes(plan->pipes, &settings->identity);
    int listen_fd = fcntl(plan->listen_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int channel = fcntl(plan->channel[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    bool has_keeper = tsfpm_keeper_fd >= 0 && !plan->is_probe;
    int keeper_fd = has_keeper ? fcntl(tsfpm_keeper_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
    if (listen_fd < 0 || channel < 0 || (has_keeper && keeper_fd < 0))
        tsfpm_worker_fails(pool, "cannot keep the listening socket");
    tsfpm_descriptors_close_own();
    tsfpm_identity_take(&settings->identity);
    /* After the identity, which clears it: a zygote that is killed takes its workers along, after their requests. */
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != plan->zygote) _exit(0);
    tsfpm_role = TSFPM_ROLE_WORKER;
    if (settings->worker_title != NULL) tsfpm_title_set(settings->worker_title);
    /* What went wrong before is told even where output is not caught; php-fpm shows nothing but an exit code then. */
    tsfpm_output_begin(plan->slot, settings->catches_output);
    if (plan->is_probe) tsfpm_limit_requests(NULL); /* the master ends it, once it has its answer */
    else tsfpm_allowed_clients_tell_mistakes();
    if (!plan->is_probe) tsfpm_access_log_begin(plan->slot);
    tsfpm_opcache_lock_begin(plan->slot);
    tsfpm_keeper_begin(keeper_fd, plan->is_probe);
    tsfpm_worker_begin(plan->slot, listen_fd, channel);
}

static void become_errand(int connection, pid_t zygote, const struct tsfpm_settings *settings)
{
    /* Descriptor 0 is /dev/null. */
    if (dup2(STDIN_FILENO, STDOUT_FILENO) < 0 || dup2(STDIN_FILENO, STDERR_FILENO) < 0) _exit(70);
    int kept = fcntl(connection, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (kept < 0) _exit(70);
    tsfpm_descriptors_close_own();
    tsfpm_identity_take(&settings->identity);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* workers of the same user cannot look into it, nor take its connection */
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != zygote) _exit(0);
    tsfpm_role = TSFPM_ROLE_ERRAND;
    char title[128];
    snprintf(title, sizeof title, "tsfpm: errand for pool %s", settings->identity.pool);
    tsfpm_title_set(title);
    tsfpm_errand_begin(kept);
}

/* ---- in the zygote ---- */

static pid_t fork_own(void)
{
    tsfpm_is_forking_worker = true;
    pid_t pid = tsfpm_libc()->fork();
    int error = errno;
    tsfpm_is_forking_worker = false;
    errno = error;
    return pid;
}

static void close_pipes(int pipes[2][2])
{
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (pipes[i][j] >= 0) close(pipes[i][j]);
}

static int make_pipes(int pipes[2][2])
{
    memset(pipes, -1, sizeof(int[2][2]));
    for (int i = 0; i < 2; i++) {
        int raw[2];
        if (pipe2(raw, O_CLOEXEC) != 0) goto fail;
        for (int j = 0; j < 2; j++) {
            pipes[i][j] = fcntl(raw[j], F_DUPFD_CLOEXEC, TSFPM_OWN_FDS_FROM);
            int error = errno;
            close(raw[j]);
            errno = error;
        }
        if (pipes[i][0] < 0 || pipes[i][1] < 0) goto fail;
        fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
    }
    return 0;
fail:;
    int error = errno;
    close_pipes(pipes);
    errno = error;
    return -1;
}

pid_t tsfpm_spawn(uint32_t slot, int listen_fd, bool is_probe, const struct tsfpm_settings *settings)
{
    struct plan plan = {
        .slot = slot, .listen_fd = listen_fd, .is_probe = is_probe, .settings = settings, .zygote = getpid()};
    if (make_pipes(plan.pipes) != 0) return -1;
    if (tsfpm_channel_make(plan.channel) != 0) goto no_channel;
    tsfpm_scoreboard_clear_slot(slot);
    tsfpm_access_log_clear(slot);
    pid_t pid = fork_own();
    if (pid == 0) {
        become_worker(&plan);
        return 0;
    }
    if (pid < 0) goto no_worker;
    close(plan.pipes[0][1]);
    close(plan.pipes[1][1]);
    close(plan.channel[1]);
    tsfpm_workers_add(slot, pid, is_probe);
    if (tsfpm_forward_open(slot, pid, plan.pipes[0][0], plan.pipes[1][0]) != 0)
        tsfpm_die("epoll_ctl: %s", strerror(errno));
    tsfpm_channel_open(slot, pid, plan.channel[0]);
    return pid;

    int error;
no_worker:
    error = errno;
    close(plan.channel[0]);
    close(plan.channel[1]);
    errno = error;
no_channel:
    error = errno;
    close_pipes(plan.pipes);
    errno = error;
    return -1;
}

pid_t tsfpm_spawn_errand(int connection, const struct tsfpm_settings *settings)
{
    pid_t zygote = getpid();
    pid_t pid = fork_own();
    if (pid == 0) become_errand(connection, zygote, settings);
    return pid;
}
