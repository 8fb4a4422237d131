#define _GNU_SOURCE
#include "kept-connection.h"

#include <poll.h>
#include <stdint.h>

#include "client.h"
#include "keeper-link.h"
#include "leave.h"
#include "libc.h"
#include "own-slot.h"
#include "request.h"
#include "stream.h"

/* A worker that has no keeper yet looks for one so often: ms. */
#define KEEPER_CHECK_MS 1000

static int pause_ms; /* 1 to 4, different from worker to worker */
static bool is_given; /* the connection is the keeper's: only the close of this descriptor is to come */

void tsfpm_kept_connection_prepare(unsigned slot_index)
{
    pause_ms = 1 + (int)(slot_index % 4);
}

void tsfpm_kept_connection_begin(void)
{
    is_given = false;
}

/* Whoever goes on with it finds it as a new one: all that was sent is answered, and nothing more is received. */
static bool can_be_given(void)
{
    /* Whoever has only asked for FastCGI's limits has no request that could lack its end. */
    bool has_request = tsfpm_phase_is(TSFPM_PHASES_ANSWERED | TSFPM_PHASE_BIT(PAGE_ANSWERED));
    return (tsfpm_stream_is_complete() || !has_request) && tsfpm_stream_is_between_records() && !tsfpm_client_is_let_go;
}

/*
 * Between two requests a connection belongs to nobody. This worker goes on with it for as long as nobody waits for a
 * worker. Where others wait and no worker is free, it hands the connection over, whatever the client has sent by now,
 * and takes the one that waits longest. A worker that is to leave hands it over, too.
 *
 * A drain tells the worker by a signal, from the zygote; its handler closes a descriptor that poll() looks at.
 */
bool tsfpm_wait_for_next_request(void)
{
    bool arrived = false;
    tsfpm_request_none(TSFPM_STAGE_WAITING);
    tsfpm_count_waiting();
    tsfpm_keeper_want();
    while (!arrived && !is_given && !tsfpm_must_leave()) {
        bool has_keeper = tsfpm_keeper_is_in_use();
        struct pollfd fds[] = {{.fd = tsfpm_connection, .events = POLLIN},
                               {.fd = tsfpm_listen_fd, .events = POLLIN},
                               {.fd = tsfpm_keeper_fd, .events = POLLIN},
                               {.fd = tsfpm_arrivals_fd}};
        if (tsfpm_libc()->poll(fds, sizeof fds / sizeof *fds, has_keeper ? -1 : KEEPER_CHECK_MS) <= 0) continue;
        bool others_wait = (fds[1].revents | fds[2].revents) != 0;
        if (others_wait && tsfpm_count_nobody_is_idle() && can_be_given())
            is_given = tsfpm_keeper_hand_over(tsfpm_connection);
        arrived = !is_given && fds[0].revents != 0;
        /* An idle worker is about to take whoever waits; or there is no keeper, and this client has its worker. */
        if (!is_given && !arrived) arrived = tsfpm_libc()->poll(fds, 1, pause_ms) > 0;
    }
    if (!arrived && !is_given && can_be_given()) is_given = tsfpm_keeper_hand_over_for_good(tsfpm_connection);
    /* It cannot be: then what has arrived by now is served, whatever the reason to stop waiting was. */
    if (!arrived && !is_given) {
        struct pollfd client = {.fd = tsfpm_connection, .events = POLLIN};
        arrived = tsfpm_libc()->poll(&client, 1, 0) > 0;
    }
    tsfpm_count_not_waiting(arrived);
    return arrived;
}

bool tsfpm_is_time_to_part(void)
{
    return tsfpm_must_leave() && !tsfpm_keeper_takes();
}

bool tsfpm_kept_connection_is_given(void)
{
    return is_given;
}

bool tsfpm_kept_connection_is_to_go(void)
{
    return !is_given && tsfpm_stream_keeps_connection() && !tsfpm_client_is_let_go && tsfpm_keeper_takes();
}

void tsfpm_kept_connection_give(void)
{
    is_given = tsfpm_keeper_hand_over_for_good(tsfpm_connection);
}
