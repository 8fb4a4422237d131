/*
 * The connections in hand, by descriptor. Each is idle, in the order in which it became so, or ready: its next request
 * has begun to arrive, and it waits in turn for a worker.
 */
#ifndef TSFPM_KEEPER_CONNECTIONS_H
#define TSFPM_KEEPER_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum tsfpm_connection_state {
    TSFPM_CONNECTION_NONE = 0,
    TSFPM_CONNECTION_IDLE,
    TSFPM_CONNECTION_READY,
    TSFPM_CONNECTION_STATES,
};

/* Descriptors will be below `limit`. Returns 0, or -1 with errno ENOMEM. */
int tsfpm_connections_prepare(uint32_t limit);

/* Adds it last in that state, or moves it there; the state NONE takes it out. */
void tsfpm_connections_put(int fd, enum tsfpm_connection_state state);
enum tsfpm_connection_state tsfpm_connections_state(int fd);

/* The one that has been in that state for longest; -1: there is none. */
int tsfpm_connections_first(enum tsfpm_connection_state state);
uint32_t tsfpm_connections_count(enum tsfpm_connection_state state);

#endif
