/* The client in hand: its connection, and what the runtime itself writes to it. */
#ifndef TSFPM_CLIENT_H
#define TSFPM_CLIENT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pieces.h"

extern int tsfpm_connection; /* the client that this worker serves, or -1 */

/* A byte of this request's answer was handed to the kernel, or may have been. The handler of the time-out asks, too. */
extern volatile sig_atomic_t tsfpm_response_has_begun;

/* PHP's writes succeed, whatever the client did: that it has gone is not PHP's business for now. */
extern bool tsfpm_client_may_be_gone;

/* Nothing more is read from this client: the connection ends with what it has been sent. */
extern bool tsfpm_client_is_let_go;
void tsfpm_client_let_go(void); /* and the client is told that nothing follows */

/* Writes all of them, waiting for the client. Returns false where the client has gone. The pieces are changed. */
bool tsfpm_client_write(struct iovec *pieces, size_t count);

#endif
