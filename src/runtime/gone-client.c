#define _GNU_SOURCE
#include "gone-client.h"

#include <poll.h>
#include <time.h>

#include "clock.h"
#include "libc.h"

/* A client that accept has waited for longer has come just now. */
#define AT_ONCE_NS 1000000ull

static bool are_dropped;

void tsfpm_gone_clients_drop(void)
{
    are_dropped = true;
}

uint64_t tsfpm_gone_client_clock(void)
{
    return are_dropped ? tsfpm_clock_ns(CLOCK_MONOTONIC) : 0;
}

/*
 * A client of a unix socket that has only stopped sending can be told from one that has left. By TCP both look the
 * same; no web server does the former, and whoever waits in an overloaded pool is not to wait for dead ones.
 */
bool tsfpm_gone_client_is(int fd, const struct sockaddr_storage *client, uint64_t from_ns)
{
    if (!are_dropped || tsfpm_clock_ns(CLOCK_MONOTONIC) - from_ns > AT_ONCE_NS) return false;
    short signs = POLLHUP | POLLERR;
    if (client->ss_family != AF_UNIX) signs |= POLLRDHUP;
    struct pollfd connection = {.fd = fd, .events = POLLRDHUP};
    return tsfpm_libc()->poll(&connection, 1, 0) > 0 && (connection.revents & signs) != 0;
}
