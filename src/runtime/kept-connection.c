#define _GNU_SOURCE
#include "kept-connection.h"

#include <poll.h>
#include <stdint.h>

#include "client.h"
#include "clock.h"
#include "leave.h"
#include "libc.h"
#include "own-slot.h"
#include "request.h"

/*
 * How long a client that is never idle may go on while others wait in the queue, or this worker is to leave; ns. It
 * is not let go at once: just served, it is likely to be sending its next request, which would be lost (nginx repeats
 * a GET, not a POST).
 */
#define PART_WHEN_BUSY_NS 1000000000ull

static uint64_t contended_since_ns; /* others have waited for this worker since then; 0: none does */
static int yield_pause_ms; /* 1 to 4, different from worker to worker */

void tsfpm_kept_connection_prepare(unsigned slot_index)
{
    yield_pause_ms = 1 + (int)(slot_index % 4);
}

void tsfpm_kept_connection_begin(void)
{
    contended_since_ns = 0;
}

/* Clients are in the queue, and no worker is about to take them. */
static bool others_wait(short listen_events)
{
    return listen_events != 0 && tsfpm_count_nobody_is_idle();
}

/*
 * The client is let go when this worker is told to leave, and when others wait in the queue while no worker is free. A
 * drain tells the worker by a signal, from the zygote.
 */
bool tsfpm_wait_for_next_request(void)
{
    struct pollfd fds[2] = {{.fd = tsfpm_connection, .events = POLLIN}, {.fd = tsfpm_listen_fd, .events = POLLIN}};
    bool arrived = false;
    uint64_t idle_since_ns = tsfpm_request_none(TSFPM_STAGE_WAITING);
    tsfpm_count_waiting();
    tsfpm_waits_for_next_request = 1;
    while (!tsfpm_is_leaving && !arrived) {
        fds[0].revents = fds[1].revents = 0;
        int ready = tsfpm_libc()->poll(fds, 2, -1);
        if (ready < 0) continue; /* a signal: check whether it is for this worker */
        bool contended = others_wait(fds[1].revents);
        if (!contended) contended_since_ns = 0;
        else if (contended_since_ns == 0) contended_since_ns = tsfpm_clock_ns(CLOCK_MONOTONIC);
        arrived = fds[0].revents != 0;
        if (arrived) break;
        /*
         * Another client waits. A worker in accept may be about to take it, and this client about to send: both get
         * time. Workers wait for different times so that they do not all let their clients go for one that waits.
         */
        int pause_ms = yield_pause_ms;
        uint64_t idle_ns = tsfpm_clock_ns(CLOCK_MONOTONIC) - idle_since_ns;
        if (contended && idle_ns < TSFPM_KEPT_ALIVE_GRACE_NS)
            pause_ms += (int)((TSFPM_KEPT_ALIVE_GRACE_NS - idle_ns) / 1000000u);
        ready = tsfpm_libc()->poll(fds, 1, pause_ms);
        arrived = ready > 0;
        fds[1].revents = 0;
        if (ready == 0 && contended && tsfpm_libc()->poll(&fds[1], 1, 0) > 0 && others_wait(fds[1].revents)) break;
    }
    /* What has arrived by now is served, whatever the reason to stop waiting was. */
    if (!arrived) arrived = tsfpm_libc()->poll(fds, 1, 0) > 0;
    tsfpm_waits_for_next_request = 0;
    tsfpm_count_not_waiting(arrived);
    return arrived;
}

/*
 * A client that always has a next request would keep others waiting, or this worker alive, for ever. The end of an
 * answer is the moment to let it go: unless it pipelines, or is very quick, it has not sent that request yet.
 */
bool tsfpm_is_time_to_part(void)
{
    if (tsfpm_is_spent) return true;
    bool is_leaving = tsfpm_must_leave();
    if (!is_leaving && contended_since_ns == 0) return false;
    uint64_t now = tsfpm_clock_ns(CLOCK_MONOTONIC);
    if (contended_since_ns == 0) contended_since_ns = now;
    if (now - contended_since_ns < PART_WHEN_BUSY_NS) return false;
    struct pollfd fds = {.fd = tsfpm_listen_fd, .events = POLLIN};
    return is_leaving || (tsfpm_libc()->poll(&fds, 1, 0) > 0 && others_wait(fds.revents));
}
