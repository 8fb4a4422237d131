/*
 * The template. Most of what a zygote costs is PHP's own start: reading php.ini, loading extensions, opcache's first
 * scripts and strings. It is the same for all pools that are started alike; a template does it once, and each zygote of
 * theirs is a fork of it, which costs a millisecond and only the pages that differ.
 *
 * It keeps the master's rights, runs no script and reads nothing but the master's orders. A zygote that it forks is the
 * master's child, not its own (CLONE_PARENT): it is reaped as any other, and does not notice when the template ends.
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

bool tsfpm_template_is_wanted(void)
{
    is_wanted = getenv(TSFPM_ENV_TEMPLATE) != NULL;
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

/* One order, with the descriptors of a zygote. */
static struct tsfpm_frame receive(int fds[PLACES])
{
    struct tsfpm_frame frame;
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int) * PLACES)];
    struct iovec part = {.iov_base = &frame, .iov_len = sizeof frame};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t length;
    do length = recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
    while (length < 0 && errno == EINTR);
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (length != (ssize_t)sizeof frame || (message.msg_flags & MSG_CTRUNC) != 0 || rights == NULL) end();
    if (frame.type != TSFPM_FRAME_FORK_ZYGOTE || frame.version != TSFPM_CONTROL_VERSION || frame.length != 0) end();
    if (rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof(int) * PLACES)) end();
    memcpy(fds, CMSG_DATA(rights), sizeof(int) * PLACES);
    for (size_t i = 0; i < PLACES; i++) fds[i] = tsfpm_descriptor_move_up(fds[i]);
    return frame;
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

static void become_zygote(const int fds[PLACES])
{
    for (size_t i = 0; i < PLACES; i++)
        if (dup3(fds[i], places[i], places[i] > STDERR_FILENO ? O_CLOEXEC : 0) < 0) _exit(70);
    tsfpm_descriptors_close_own();
    /* A session of its own: Ctrl-C in the master's terminal is for the master alone. */
    if (tsfpm_libc()->setsid() < 0) tsfpm_die("setsid: %s", strerror(errno));
    if (tsfpm_scoreboard_map(TSFPM_FD_SCOREBOARD) != 0) tsfpm_die("cannot map the scoreboard: %s", strerror(errno));
    tsfpm_own_memory_take();
}

void tsfpm_template_run(void)
{
    tsfpm_role = TSFPM_ROLE_TEMPLATE;
    fflush(NULL); /* PHP's start-up warnings: else every zygote inherits them, and prints them when it ends */
    control_fd = tsfpm_descriptor_move_up(TSFPM_FD_CONTROL);
    for (int fd = TSFPM_FD_SCOREBOARD; fd <= TSFPM_FD_LIBRARY; fd++) tsfpm_libc()->close(fd);
    tsfpm_title_set("tsfpm: template");
    const char *obstacle = tsfpm_own_memory_obstacle();
    if (obstacle == NULL && !tsfpm_ini_values_prepare())
        obstacle = "it keeps its settings otherwise than known versions of PHP";
    if (obstacle != NULL) {
        tell_obstacle(control_fd, obstacle);
        end();
    }
    if (tsfpm_frame_send_ready(control_fd) != 0) end();
    for (;;) {
        int fds[PLACES];
        struct tsfpm_frame order = receive(fds);
        pid_t zygote = fork_as_sibling();
        int error = errno;
        if (zygote == 0) {
            become_zygote(fds);
            return;
        }
        close_all(fds);
        int sent = zygote > 0
            ? tsfpm_frame_send(control_fd, TSFPM_FRAME_FORKED, order.slot, zygote, NULL, 0)
            : tsfpm_frame_send(control_fd, TSFPM_FRAME_FORK_FAILED, order.slot, 0, &error, sizeof error);
        if (sent != 0) end();
    }
}
