/* Where php-cgi reads in the client's stream of records: followed just far enough to know what is complete. */
#ifndef TSFPM_STREAM_H
#define TSFPM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fastcgi.h"

/* Written by stream.c alone. */
extern struct tsfpm_stream {
    uint8_t header[FCGI_HEADER_LEN];
    uint8_t header_length; /* bytes of it that are there */
    uint8_t type;
    uint16_t content; /* bytes still to come of the record */
    uint8_t padding;
    bool is_complete; /* the client has sent all of its request */
    uint8_t flags;    /* of the last BEGIN_REQUEST */
} tsfpm_stream;

void tsfpm_stream_begin(void); /* a new client */

/* Bytes that php-cgi reads: its request begins with them, and so on. Or that nobody will read any more. */
void tsfpm_stream_follow(const uint8_t *bytes, size_t count);
void tsfpm_stream_skip(const uint8_t *bytes, size_t count);

static inline bool tsfpm_stream_is_between_records(void)
{
    return tsfpm_stream.header_length == 0 && tsfpm_stream.content == 0 && tsfpm_stream.padding == 0;
}

/* The client has sent all of its request, and it was read. */
static inline bool tsfpm_stream_is_complete(void)
{
    return tsfpm_stream.is_complete && tsfpm_stream_is_between_records();
}

/* Bytes to the end of the record, or of its header; 8 between records. */
static inline size_t tsfpm_stream_rest(void)
{
    size_t rest = (size_t)tsfpm_stream.content + tsfpm_stream.padding;
    return rest > 0 ? rest : (size_t)FCGI_HEADER_LEN - tsfpm_stream.header_length;
}

/* The client wants to send another request on this connection. */
static inline bool tsfpm_stream_keeps_connection(void)
{
    return (tsfpm_stream.flags & FCGI_KEEP_CONN) != 0;
}

#endif
