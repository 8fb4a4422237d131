/* A connection between two requests, and when it is closed. FastCGI allows that at any time between requests. */
#ifndef TSFPM_KEPT_CONNECTION_H
#define TSFPM_KEPT_CONNECTION_H

#include <stdbool.h>

/* How long a kept-alive client must be idle before its worker closes it for others, or is told to leave: ns. */
#define TSFPM_KEPT_ALIVE_GRACE_NS 250000000ull

void tsfpm_kept_connection_prepare(unsigned slot_index); /* once, in a new worker */
void tsfpm_kept_connection_begin(void);                  /* a new client */

/* Waits until the client sends something. Returns false where the connection is to be closed, or was. */
bool tsfpm_wait_for_next_request(void);

/* At the end of an answer: whether to close the connection instead of waiting for a next request. */
bool tsfpm_is_time_to_part(void);

#endif
