/*
 * A pool whose clients keep connections has two lines of them: the listening socket's queue, and kept connections whose
 * next request has begun to arrive, as the keeper offers them. A worker takes from both in turn, so that none waits for
 * the other to be empty.
 */
#define _GNU_SOURCE
#include "next-client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "hand-over.h"
#include "keeper-link.h"
#include "leave.h"
#include "libc.h"
#include "script-child.h"

static bool took_kept; /* the last client came from the keeper */

/* One worker is woken for each that comes, not all. */
static int watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = fd};
    return epoll_ctl(tsfpm_arrivals_fd, EPOLL_CTL_ADD, fd, &event);
}

static bool prepare(void)
{
    if (tsfpm_arrivals_fd >= 0) return true;
    tsfpm_arrivals_fd = epoll_create1(EPOLL_CLOEXEC);
    if (tsfpm_arrivals_fd < 0) return false;
    if (watch(tsfpm_listen_fd) == 0 && watch(tsfpm_keeper_fd) == 0) return true;
    int error = errno;
    tsfpm_libc()->close(tsfpm_arrivals_fd);
    tsfpm_arrivals_fd = -1;
    errno = error;
    return false;
}

/* The master has died, and so has the keeper; this worker is about to be told to leave. */
static void lose_keeper(void)
{
    epoll_ctl(tsfpm_arrivals_fd, EPOLL_CTL_DEL, tsfpm_keeper_fd, NULL);
    tsfpm_keeper_end();
}

static int take_kept(struct sockaddr_storage *client, socklen_t *length)
{
    int fd = tsfpm_hand_over_receive(tsfpm_keeper_fd);
    if (fd < 0) {
        if (errno == EMFILE)
            dprintf(STDERR_FILENO, "ERROR: a kept connection is lost: this process has no descriptor left for it\n");
        else if (errno == EPROTO) errno = EAGAIN; /* from a script of this pool: nothing that anybody waits for */
        return -1;
    }
    /* Who it is the kernel says, not the worker that had it before. */
    if (getpeername(fd, (struct sockaddr *)client, length) != 0) {
        tsfpm_libc()->close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    /* A child of a script may have it open, of a worker that had it before: then only this ends it for the client. */
    tsfpm_client_is_shared = true;
    return fd;
}

/* From both lines in turn, whoever is there. Returns -1 with EAGAIN where nobody is. */
static int take(struct sockaddr_storage *client, socklen_t *length)
{
    for (int lines = 0; lines < 2; lines++) {
        took_kept = !took_kept;
        int fd = took_kept ? take_kept(client, length)
                           : accept4(tsfpm_listen_fd, (struct sockaddr *)client, length, SOCK_CLOEXEC);
        if (fd >= 0 || errno != EAGAIN) return fd;
    }
    return -1;
}

/*
 * The kernel wakes one worker for each client, whichever line the client is in. So that none waits while a worker
 * sleeps, each looks at both lines before it sleeps; and one that was woken takes somebody first, also where it is to
 * leave.
 */
int tsfpm_next_client(struct sockaddr_storage *client, socklen_t *length)
{
    struct epoll_event events[2];
    tsfpm_client_is_shared = false;
    if (!prepare()) return -1;
    int fd = take(client, length);
    if (fd >= 0 || errno != EAGAIN) return fd;
    int count = epoll_wait(tsfpm_arrivals_fd, events, 2, -1);
    if (count < 0) return -1;
    for (int i = 0; i < count; i++)
        if (events[i].data.fd == tsfpm_keeper_fd && (events[i].events & EPOLLIN) == 0) lose_keeper();
    return take(client, length);
}
