/* What the client sends: received in few calls, and read by php-cgi in many. */
#ifndef TSFPM_INPUT_H
#define TSFPM_INPUT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void tsfpm_input_begin(void); /* a new client */

/* php-cgi waits for a new client's first byte. */
int tsfpm_input_poll(struct pollfd *fds, int timeout_ms);
/* php-cgi reads: returns what read() does. */
ssize_t tsfpm_input_read(void *buffer, size_t size);

/*
 * After an answer: drops what is left of its request, and waits for it for a bounded time. Returns true where nothing
 * was received behind it, and the client may send more.
 */
bool tsfpm_input_end_request(void);

/* All that the client had to send is here: a close loses nothing of the answer. */
bool tsfpm_input_is_complete(void);
void tsfpm_input_drain(void); /* before the close: receives until then, or for a bounded time */

/* In a signal handler, before the end: takes what the client still sends, without waiting; true when that is all. */
bool tsfpm_input_take_rest(void);

#endif
