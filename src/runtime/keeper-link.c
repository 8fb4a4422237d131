#define _GNU_SOURCE
#include "keeper-link.h"

#include <errno.h>
#include <poll.h>

#include "ask.h"
#include "hand-over.h"
#include "leave.h"
#include "libc.h"
#include "scoreboard.h"

/* How long a worker that leaves waits for a keeper that is behind, which takes some microseconds a connection. */
#define TRIES 10
#define TRY_MS 10

int tsfpm_keeper_fd = -1;

static bool is_barred;  /* this worker has no keeper, whatever the scoreboard says */
static bool has_wanted; /* the zygote was told that there should be one */

void tsfpm_keeper_begin(int fd, bool is_probe)
{
    tsfpm_keeper_fd = fd;
    is_barred = is_probe;
}

static bool is_there(void)
{
    return __atomic_load_n(&tsfpm_scoreboard->has_keeper, __ATOMIC_SEQ_CST) != 0;
}

bool tsfpm_keeper_is_in_use(void)
{
    if (tsfpm_keeper_fd >= 0) return true;
    if (is_barred || !is_there()) return false;
    tsfpm_keeper_fd = tsfpm_ask_keeper();
    if (tsfpm_keeper_fd >= 0) return true;
    is_barred = true;
    /* Clients would wait for a worker that does not see them. Where there is none, a script has written there. */
    if (errno != ENOENT) tsfpm_is_spent = true;
    return false;
}

void tsfpm_keeper_want(void)
{
    if (has_wanted || is_barred) return;
    has_wanted = true;
    if (!is_there()) tsfpm_ask_tell(TSFPM_QUESTION_KEEPER_WANTED);
}

bool tsfpm_keeper_takes(void)
{
    return tsfpm_keeper_is_in_use() && __atomic_load_n(&tsfpm_scoreboard->is_keeper_away, __ATOMIC_RELAXED) == 0;
}

bool tsfpm_keeper_hand_over(int connection)
{
    return tsfpm_keeper_takes() && tsfpm_hand_over_send(tsfpm_keeper_fd, connection) == 0;
}

bool tsfpm_keeper_hand_over_for_good(int connection)
{
    /* A worker that leaves may be told so again meanwhile, by a signal. */
    for (int tries = 0; tries < TRIES && tsfpm_keeper_takes(); tries++) {
        if (tsfpm_hand_over_send(tsfpm_keeper_fd, connection) == 0) return true;
        if (errno != EAGAIN) return false;
        struct pollfd room = {.fd = tsfpm_keeper_fd, .events = POLLOUT};
        tsfpm_libc()->poll(&room, 1, TRY_MS);
    }
    return false;
}

void tsfpm_keeper_end(void)
{
    if (tsfpm_keeper_fd >= 0) tsfpm_libc()->close(tsfpm_keeper_fd);
    tsfpm_keeper_fd = -1;
    is_barred = true;
}
