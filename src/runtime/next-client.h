/* Whoever waits longest, of the clients at the listening socket and the kept connections with a next request. */
#ifndef TSFPM_NEXT_CLIENT_H
#define TSFPM_NEXT_CLIENT_H

#include <sys/socket.h>

/*
 * Waits for one and takes it. Returns its connection, or -1 with errno as accept4() leaves it, and EAGAIN where another
 * worker was quicker. For pools with a keeper; the others wait in accept4() itself.
 */
int tsfpm_next_client(struct sockaddr_storage *client, socklen_t *length);

#endif
