/* A connection between two requests: who goes on with it. FastCGI allows to close it there at any time. */
#ifndef TSFPM_KEPT_CONNECTION_H
#define TSFPM_KEPT_CONNECTION_H

#include <stdbool.h>

void tsfpm_kept_connection_prepare(unsigned slot_index); /* once, in a new worker */
void tsfpm_kept_connection_begin(void);                  /* a new client */

/* Waits until the client sends something. Returns false where the connection is to be closed here. */
bool tsfpm_wait_for_next_request(void);

/*
 * At the end of an answer: whether to tell the client that no more follows. So does a worker that is to leave and has
 * no keeper: later, the client may be sending its next request already.
 */
bool tsfpm_is_time_to_part(void);

/*
 * Before a close that is not the client's wish, once all of its request and nothing else was received: the keeper gets
 * the connection.
 */
bool tsfpm_kept_connection_is_to_go(void);
void tsfpm_kept_connection_give(void);

/* It has it: only this worker's descriptor is to be closed, and nothing may be done to the connection. */
bool tsfpm_kept_connection_is_given(void);

#endif
