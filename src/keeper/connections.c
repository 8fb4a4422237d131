#include "connections.h"

#include <stdlib.h>

#define NOBODY (-1)

/* A link of the list of its state. */
static struct connection {
    enum tsfpm_connection_state state;
    int before, after;
} *connections;
static uint32_t size;

static struct {
    int first, last;
    uint32_t count;
} lists[TSFPM_CONNECTION_STATES];

int tsfpm_connections_prepare(uint32_t limit)
{
    free(connections);
    connections = calloc(limit, sizeof *connections); /* of zeros: pages that are never used cost nothing */
    size = limit;
    for (int state = 0; state < TSFPM_CONNECTION_STATES; state++) {
        lists[state].first = lists[state].last = NOBODY;
        lists[state].count = 0;
    }
    return connections != NULL ? 0 : -1;
}

static void take_out(int fd)
{
    struct connection *one = &connections[fd];
    if (one->state == TSFPM_CONNECTION_NONE) return;
    *(one->before == NOBODY ? &lists[one->state].first : &connections[one->before].after) = one->after;
    *(one->after == NOBODY ? &lists[one->state].last : &connections[one->after].before) = one->before;
    lists[one->state].count--;
    one->state = TSFPM_CONNECTION_NONE;
}

static void append(int fd, enum tsfpm_connection_state state)
{
    struct connection *one = &connections[fd];
    int last = lists[state].last;
    *one = (struct connection){.state = state, .before = last, .after = NOBODY};
    *(last == NOBODY ? &lists[state].first : &connections[last].after) = fd;
    lists[state].last = fd;
    lists[state].count++;
}

void tsfpm_connections_put(int fd, enum tsfpm_connection_state state)
{
    if (fd < 0 || (uint32_t)fd >= size) abort(); /* the kernel gives no number above the limit */
    take_out(fd);
    if (state != TSFPM_CONNECTION_NONE) append(fd, state);
}

enum tsfpm_connection_state tsfpm_connections_state(int fd)
{
    return fd < 0 || (uint32_t)fd >= size ? TSFPM_CONNECTION_NONE : connections[fd].state;
}

int tsfpm_connections_first(enum tsfpm_connection_state state)
{
    return lists[state].first;
}

uint32_t tsfpm_connections_count(enum tsfpm_connection_state state)
{
    return lists[state].count;
}
