/*
 * The template. Most of what a zygote costs is PHP's own start: reading php.ini, loading extensions, opcache's first
 * scripts and strings. It is the same for all pools that are started alike; a template does it once, and each zygote of
 * theirs is a fork of it, which costs a millisecond and only the pages that differ.
 *
 * It keeps the master's rights, runs no script and reads nothing but the master's orders. A zygote that it forks is the
 * master's child, not its own (CLONE_PARENT): it is reaped as any other, and does not notice when the template ends.
 *
 * Pools of one opcache.share have a template of their own, which may be forked from another one. What it shares with
 * its zygotes stays shared: they have one opcache, as all pools of php-fpm.
 */
#define _GNU_SOURCE
#include "template.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control.h"
#include "descriptors.h"
#include "frame.h"
#include "libc.h"
#include "ini-values.h"
#include "own-memory.h"
#include "scoreboard.h"
#include "title.h"

/* Where each descriptor goes that comes with FORK_ZYGOTE, in this order. */
static const int places[] = {
    TSFPM_FD_STAND_IN, STDOUT_FILENO, STDERR_FILENO, TSFPM_FD_CONTROL, TSFPM_FD_SCOREBOARD, TSFPM_FD_LISTEN,
};
#define PLACES (sizeof places / sizeof *places)

static int control_fd;

static bool is_wanted;

/* The opcache.share whose pools are forked from it; empty: they share nothing with each other. */
static char share[TSFPM_SHARE_MAX + 1];

bool tsfpm_template_is_wanted(void)
{
    const char *name = getenv(TSFPM_ENV_TEMPLATE);
    is_wanted = name != NULL;
    if (is_wanted) snprintf(share, sizeof share, "%s", name);
    unsetenv(TSFPM_ENV_TEMPLATE);
    return is_wanted;
}

/*
 * Whether PHP is about to run a script in this process, once extensions are loaded: what it makes of the template is
 * for the pool alone whose script it is.
 */
static bool will_preload(void)
{
    int (*configured_text)(const char *name, char **text);
    char *script = NULL;
    *(void **)&configured_text = dlsym(RTLD_DEFAULT, "cfg_get_string");
    if (configured_text == NULL || configured_text("opcache.preload", &script) != 0) return false;
    return script != NULL && script[0] != '\0';
}

static void tell_obstacle(int fd, const char *obstacle)
{
    tsfpm_frame_send(fd, TSFPM_FRAME_CANNOT_FORK, -1, getpid(), obstacle, strlen(obstacle));
}

void tsfpm_template_module_startup(void)
{
    if (!is_wanted || !will_preload()) return;
    tell_obstacle(TSFPM_FD_CONTROL, "opcache.preload runs a script in it");
    _exit(0);
}

/* The master has gone, or breaks the protocol, which it never does unless it is broken: nobody is left to obey. */
static _Noreturn void end(void)
{
    _exit(0);
}

struct order {
    struct tsfpm_frame frame;
    int fds[PLACES];                 /* of the process that is to be forked */
    char share[TSFPM_SHARE_MAX + 1]; /* of a FORK_TEMPLATE */
};

/* What the header of an order says, and what follows it. */
static void receive_share(struct order *order)
{
    size_t length = order->frame.length;
    bool is_template = order->frame.type == TSFPM_FRAME_FORK_TEMPLATE;
    if (order->frame.version != TSFPM_CONTROL_VERSION) end();
    if (!is_template && order->frame.type != TSFPM_FRAME_FORK_ZYGOTE) end();
    if (is_template ? length == 0 || length > TSFPM_SHARE_MAX : length != 0) end();
    ssize_t received;
    do received = length == 0 ? 0 : tsfpm_libc()->recv(control_fd, order->share, length, MSG_WAITALL);
    while (received < 0 && errno == EINTR);
    if (received != (ssize_t)length) end();
    order->share[length] = '\0';
}

static void receive(struct order *order)
{
    struct tsfpm_frame *frame = &order->frame;
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int) * PLACES)];
    struct iovec part = {.iov_base = frame, .iov_len = sizeof *frame};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t length;
    do length = recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    while (length < 0 && errno == EINTR);
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (length != (ssize_t)sizeof *frame || (message.msg_flags & MSG_CTRUNC) != 0 || rights == NULL) end();
    if (rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof(int) * PLACES)) end();
    memcpy(order->fds, CMSG_DATA(rights), sizeof order->fds);
    for (size_t i = 0; i < PLACES; i++) order->fds[i] = tsfpm_descriptor_move_up(order->fds[i]);
    receive_share(order);
}

static void close_all(const int fds[PLACES])
{
    for (size_t i = 0; i < PLACES; i++) tsfpm_libc()->close(fds[i]);
}

/*
 * libc's fork() has no way to say CLONE_PARENT. Without it libc goes on to take the template's thread number for this
 * process's, in calls that the zygote does not make; its workers are forked by fork(), which sets theirs.
 */
static pid_t fork_as_sibling(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

/*
 * Told by both, since either may be killed before it does. The master must hear of a fork: it gives the descriptors to
 * another process when the template ends without an answer. It holds the other end until then, so a fork that cannot
 * tell is one that the master does not want any more.
 */
static int tell_forked(int order, pid_t forked)
{
    return tsfpm_frame_send(control_fd, TSFPM_FRAME_FORKED, order, forked, NULL, 0);
}

/* In the fork: its descriptors are its own, and it has a session of its own. */
static void leave_template(const int fds[PLACES])
{
    for (size_t i = 0; i < PLACES; i++)
        if (dup3(fds[i], places[i], places[i] > STDERR_FILENO ? O_CLOEXEC : 0) < 0) _exit(70);
    tsfpm_descriptors_close_own();
    /* A session of its own: Ctrl-C in the master's terminal is for the master alone. */
    if (tsfpm_libc()->setsid() < 0) tsfpm_die("setsid: %s", strerror(errno));
    if (share[0] == '\0') tsfpm_own_memory_take();
}

/* It speaks with the master, and has neither pool nor workers. */
static void begin_template(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* even where it is stopped; no fork inherits this */
    control_fd = tsfpm_descriptor_move_up(TSFPM_FD_CONTROL);
    for (int fd = TSFPM_FD_SCOREBOARD; fd <= TSFPM_FD_LIBRARY; fd++) tsfpm_libc()->close(fd);
    char title[sizeof "tsfpm: template " + TSFPM_SHARE_MAX];
    snprintf(title, sizeof title, "tsfpm: template%s%s", share[0] != '\0' ? " " : "", share);
    tsfpm_title_set(title);
}

static void tell_ready(void)
{
    if (tsfpm_frame_send_ready(control_fd) != 0) end();
}

void tsfpm_template_run(void)
{
    tsfpm_role = TSFPM_ROLE_TEMPLATE;
    fflush(NULL); /* PHP's start-up warnings: else every zygote inherits them, and prints them when it ends */
    begin_template();
    const char *obstacle = tsfpm_fork_obstacle();
    if (obstacle == NULL && share[0] == '\0') obstacle = tsfpm_own_memory_obstacle();
    if (obstacle == NULL && !tsfpm_ini_values_prepare())
        obstacle = "it keeps its settings otherwise than known versions of PHP";
    if (obstacle != NULL) {
        tell_obstacle(control_fd, obstacle);
        end();
    }
    tell_ready();
    for (;;) {
        struct order order;
        receive(&order);
        pid_t forked = fork_as_sibling();
        int error = errno;
        if (forked == 0) {
            if (tell_forked(order.frame.slot, getpid()) != 0) end();
            leave_template(order.fds);
            if (order.frame.type == TSFPM_FRAME_FORK_ZYGOTE) {
                if (tsfpm_scoreboard_map(TSFPM_FD_SCOREBOARD) == 0) return;
                tsfpm_die("cannot map the scoreboard: %s", strerror(errno));
            }
            memcpy(share, order.share, sizeof share);
            begin_template();
            tell_ready();
            continue;
        }
        close_all(order.fds);
        const struct tsfpm_frame *frame = &order.frame;
        int sent = forked > 0
            ? tell_forked(frame->slot, forked)
            : tsfpm_frame_send(control_fd, TSFPM_FRAME_FORK_FAILED, frame->slot, 0, &error, sizeof error);
        if (sent != 0) end();
    }
}
