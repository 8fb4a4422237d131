#define _GNU_SOURCE
#include "leave.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "client.h"
#include "libc.h"
#include "own-slot.h"
#include "scoreboard.h"

int tsfpm_listen_fd = -1;
volatile sig_atomic_t tsfpm_is_leaving;
volatile sig_atomic_t tsfpm_waits_for_next_request;
bool tsfpm_is_spent;

static uint64_t requests_left; /* 0: no limit, or it is spent */

void tsfpm_stop_listening(void)
{
    int fd = tsfpm_listen_fd;
    tsfpm_listen_fd = -1;
    if (fd >= 0) tsfpm_libc()->close(fd);
}

/*
 * The worker may be anywhere, also between reading the flag and the call that would block. So besides setting the
 * flag this makes the blocking call fail: accept on a descriptor that is closed, recv on a direction that is shut.
 * Data that the client has already sent on a kept connection is still received.
 */
void tsfpm_leave(void)
{
    tsfpm_is_leaving = 1;
    tsfpm_stop_listening();
    if (tsfpm_waits_for_next_request && tsfpm_connection >= 0) tsfpm_libc()->shutdown(tsfpm_connection, SHUT_RD);
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
