/*
 * The keeper of a pool: holds kept connections that are between two requests, so that they hold no worker. A worker
 * hands one over; when its next request has begun to arrive, any worker may have it. Nothing is read from a connection
 * here: what has arrived is looked at and stays where it is, so the worker that goes on with it misses nothing.
 *
 *      worker --- packet with a descriptor ---> idle, in the epoll
 *                                                 | readable           | at its end, or broken
 *                                                 v                    v
 *      any worker <--- the same ------------- ready, in turn         closed
 *
 * The packets of a pool's scripts are hostile: tsfpm_hand_over_receive() takes one descriptor from a packet that is
 * right, and a descriptor that is no stream socket is closed here. Whatever they do, they do it to their own pool.
 */
#define _GNU_SOURCE
#include "keeper.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connections.h"

#define EVENTS_AT_ONCE 64
#define PACKETS_AT_ONCE 64
/* The kernel lets a user have only so many descriptors under way (ETOOMANYREFS); how long until the next try: ms. */
#define SHORTAGE_PAUSE_MS 10

static struct tsfpm_keeper_plan plan;
static int epoll_fd = -1;
static uint32_t watched; /* events of K that the epoll tells */
static bool is_full;     /* W takes no more for now */
static bool is_short;    /* of what the kernel needs for a packet */
static bool is_over;     /* nobody is at the other end */

static int control(int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(epoll_fd, operation, fd, &event);
}

int tsfpm_keeper_begin(const struct tsfpm_keeper_plan *new_plan)
{
    plan = *new_plan;
    is_full = is_short = is_over = false;
    if (epoll_fd >= 0) close(epoll_fd);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watched = EPOLLIN;
    if (epoll_fd < 0 || control(EPOLL_CTL_ADD, plan.socket_fd, watched) != 0) return -1;
    return tsfpm_connections_prepare(plan.descriptor_limit);
}

static void close_connection(int fd)
{
    tsfpm_connections_put(fd, TSFPM_CONNECTION_NONE);
    close(fd);
}

/* ---- an idle connection ---- */

static bool is_stream_socket(int fd)
{
    int type;
    socklen_t length = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

enum look { AT_END, NOTHING_YET, HAS_REQUEST };

static enum look look_at(int fd)
{
    char byte;
    ssize_t length = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (length > 0) return HAS_REQUEST;
    return length < 0 && (errno == EAGAIN || errno == EINTR) ? NOTHING_YET : AT_END;
}

/* Before each close: a connection that a worker has open as well would stay in the epoll. */
static void forget(int fd)
{
    control(EPOLL_CTL_DEL, fd, 0);
}

static void on_connection(int fd)
{
    if (tsfpm_connections_state(fd) != TSFPM_CONNECTION_IDLE) return; /* closed by an earlier event of this turn */
    switch (look_at(fd)) {
    case NOTHING_YET: return;
    case HAS_REQUEST:
        forget(fd);
        tsfpm_connections_put(fd, TSFPM_CONNECTION_READY);
        return;
    case AT_END:
        forget(fd);
        close_connection(fd);
        return;
    }
}

static void close_longest_idle(void)
{
    int fd = tsfpm_connections_first(TSFPM_CONNECTION_IDLE);
    shutdown(fd, SHUT_RDWR); /* a child of a script may have it open, too: then only this ends it for the client */
    forget(fd);
    close_connection(fd);
}

/* ---- what workers hand over ---- */

static uint32_t in_hand(void)
{
    return tsfpm_connections_count(TSFPM_CONNECTION_IDLE) + tsfpm_connections_count(TSFPM_CONNECTION_READY);
}

/* One more may be taken: there is a descriptor for it, and an idle one can go in its place. */
static bool has_room(void)
{
    return in_hand() < plan.most || tsfpm_connections_count(TSFPM_CONNECTION_IDLE) > 0;
}

static void take(int fd)
{
    enum look look = is_stream_socket(fd) ? look_at(fd) : AT_END;
    if (look == HAS_REQUEST) tsfpm_connections_put(fd, TSFPM_CONNECTION_READY);
    else if (look == NOTHING_YET && control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP) == 0)
        tsfpm_connections_put(fd, TSFPM_CONNECTION_IDLE);
    else close(fd);
}

/* Returns false where no more can be taken now. */
static bool take_one(void)
{
    if (!has_room()) return false;
    int fd = tsfpm_hand_over_receive(plan.socket_fd);
    if (fd < 0) return errno == EPROTO || errno == EMFILE;
    take(fd);
    if (in_hand() > plan.most) {
        close_longest_idle();
        plan.page->closed++;
    }
    return true;
}

static void take_all(void)
{
    for (int i = 0; i < PACKETS_AT_ONCE; i++)
        if (!take_one()) return;
}

/* ---- what workers may have ---- */

static void offer_ready(void)
{
    is_full = is_short = false;
    int fd;
    while ((fd = tsfpm_connections_first(TSFPM_CONNECTION_READY)) >= 0) {
        if (tsfpm_hand_over_send(plan.socket_fd, fd) == 0) {
            close_connection(fd);
        } else {
            is_full = errno == EAGAIN;
            is_short = errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM;
            is_over = !is_full && !is_short;
            return;
        }
    }
}

/* ---- the loop ---- */

static void watch_socket(void)
{
    uint32_t wanted = (has_room() ? (uint32_t)EPOLLIN : 0) | (is_full ? (uint32_t)EPOLLOUT : 0);
    if (wanted != watched && control(EPOLL_CTL_MOD, plan.socket_fd, wanted) == 0) watched = wanted;
}

/* What is under way to this process is taken, and passed on or closed like the rest. */
static void finish(void)
{
    take_all();
    while (tsfpm_connections_count(TSFPM_CONNECTION_IDLE) > 0) close_longest_idle();
}

static bool has_finished(void)
{
    return is_over || (*plan.is_finishing && in_hand() == 0);
}

bool tsfpm_keeper_turn(int timeout_ms, const sigset_t *mask)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    if (is_short && (timeout_ms < 0 || timeout_ms > SHORTAGE_PAUSE_MS)) timeout_ms = SHORTAGE_PAUSE_MS;
    int count = epoll_pwait(epoll_fd, events, EVENTS_AT_ONCE, timeout_ms, mask);
    for (int i = 0; i < count; i++)
        if (events[i].data.fd != plan.socket_fd) on_connection(events[i].data.fd);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd != plan.socket_fd) continue;
        if ((events[i].events & (EPOLLHUP | EPOLLERR)) != 0) is_over = true;
        else if ((events[i].events & EPOLLIN) != 0) take_all();
    }
    if (*plan.is_finishing) finish();
    if (!is_over) offer_ready();
    watch_socket();
    plan.page->held = tsfpm_connections_count(TSFPM_CONNECTION_IDLE);
    plan.page->ready = tsfpm_connections_count(TSFPM_CONNECTION_READY);
    return !has_finished();
}
