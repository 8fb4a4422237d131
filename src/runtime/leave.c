#define _GNU_SOURCE
#include "leave.h"

#include <stdlib.h>

#include "libc.h"
#include "own-slot.h"
#include "scoreboard.h"

int tsfpm_listen_fd = -1;
int tsfpm_arrivals_fd = -1;
volatile sig_atomic_t tsfpm_is_leaving;
bool tsfpm_is_spent;

static uint64_t requests_left; /* 0: no limit, or it is spent */

static void close_one(int *place)
{
    int fd = *place;
    *place = -1;
    if (fd >= 0) tsfpm_libc()->close(fd);
}

void tsfpm_stop_listening(void)
{
    close_one(&tsfpm_listen_fd);
    close_one(&tsfpm_arrivals_fd);
}

/*
 * The worker may be anywhere, also between reading the flag and the call that would block. So besides setting the
 * flag this makes the blocking call fail: accept, epoll_wait or poll on a descriptor that is closed. Where there is an
 * epoll, the listening socket stays: the worker may have been woken for a client that is there.
 */
void tsfpm_leave(void)
{
    tsfpm_is_leaving = 1;
    close_one(tsfpm_arrivals_fd >= 0 ? &tsfpm_arrivals_fd : &tsfpm_listen_fd);
}

bool tsfpm_must_leave(void)
{
    return tsfpm_is_leaving || tsfpm_is_spent || __atomic_load_n(&tsfpm_scoreboard->draining, __ATOMIC_RELAXED) != 0 ||
           tsfpm_own_slot_says_leave();
}

void tsfpm_limit_requests(const char *most)
{
    requests_left = most == NULL ? 0 : strtoul(most, NULL, 10);
}

void tsfpm_count_request(void)
{
    if (requests_left > 0 && --requests_left == 0) tsfpm_is_spent = true;
}
