/* queue.timeout and queue.max: whether a client has left while it waited in the listen queue. */
#ifndef TSFPM_GONE_CLIENT_H
#define TSFPM_GONE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

void tsfpm_gone_clients_drop(void); /* the pool wants that; without it the functions below do nothing */

uint64_t tsfpm_gone_client_clock(void); /* right before accept */

/* Right after accept, which was called at `from_ns`. */
bool tsfpm_gone_client_is(int fd, const struct sockaddr_storage *client, uint64_t from_ns);

#endif
