/* Reads the records of one answer as they come, in pieces of any size. */
#ifndef LOAD_RESPONSE_H
#define LOAD_RESPONSE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* As much of the answer's head as is kept to find its status. */
#define RESPONSE_HEAD 256

enum response_state { RESPONSE_READING, RESPONSE_ENDED, RESPONSE_MALFORMED };

struct response {
	enum response_state state;
	unsigned char header[8];
	unsigned header_len;
	uint32_t content_left;
	uint32_t padding_left;
	uint64_t received;
	uint64_t stdout_bytes;
	uint64_t stderr_bytes;
	unsigned char end[8];
	unsigned end_len;
	char head[RESPONSE_HEAD];
};

void response_reset(struct response *response);

/* Takes what was read; the state is then in response->state. The body goes to `copy` too, unless that is NULL. */
void response_take(struct response *response, const unsigned char *bytes, size_t len, FILE *copy);

/* HTTP status of an ended answer, 200 where no header names one; 0 if the script or the server failed. */
int response_status(const struct response *response);

#endif
