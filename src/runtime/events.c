#define _GNU_SOURCE
#include "events.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "descriptors.h"
#include "libc.h"

static int epoll_fd;

void tsfpm_events_prepare(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) tsfpm_die("epoll_create1: %s", strerror(errno));
    epoll_fd = tsfpm_descriptor_move_up(fd);
}

void tsfpm_events_watch(int fd, enum tsfpm_source source, uint32_t slot, bool for_writing)
{
    struct epoll_event event = {
        .events = EPOLLIN | (for_writing ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)source << 32 | slot,
    };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) return;
    if (errno != ENOENT || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        tsfpm_die("epoll_ctl: %s", strerror(errno));
}

void tsfpm_events_unwatch(int fd)
{
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int tsfpm_events_wait(struct tsfpm_event events[TSFPM_EVENTS_MOST], int timeout_ms)
{
    struct epoll_event ready[TSFPM_EVENTS_MOST];
    int count = epoll_wait(epoll_fd, ready, TSFPM_EVENTS_MOST, timeout_ms);
    for (int i = 0; i < count; i++)
        events[i] = (struct tsfpm_event){(enum tsfpm_source)(ready[i].data.u64 >> 32), (uint32_t)ready[i].data.u64};
    return count < 0 ? 0 : count;
}
