/*
 * FastCGI 1.0, as far as the runtime speaks it. Constants have the names of the specification, section 8.
 *
 * A record is a header, its content, and padding that means nothing (section 3.3). Numbers of two bytes have their
 * higher byte first:
 *
 *      0         1      2   3   4   5         6         7
 *      version | type | id    | content     | padding | reserved
 */
#ifndef TSFPM_FASTCGI_H
#define TSFPM_FASTCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FCGI_VERSION_1 1
#define FCGI_HEADER_LEN 8

#define FCGI_BEGIN_REQUEST 1
#define FCGI_ABORT_REQUEST 2
#define FCGI_END_REQUEST 3
#define FCGI_PARAMS 4
#define FCGI_STDIN 5
#define FCGI_STDOUT 6
#define FCGI_STDERR 7
#define FCGI_GET_VALUES 9

/* BEGIN_REQUEST's content (section 5.1): the role in two bytes, the flags in one, five that mean nothing. */
#define FCGI_BEGIN_REQUEST_BODY_LEN 8
#define FCGI_FLAGS_AT 2
#define FCGI_KEEP_CONN 1
#define FCGI_RESPONDER 1
#define FCGI_FILTER 3 /* the highest role */

/* END_REQUEST's content (section 5.5): the application's status in four bytes, the protocol's in one, three more. */
#define FCGI_END_REQUEST_BODY_LEN 8
#define TSFPM_END_REQUEST_LEN (FCGI_HEADER_LEN + FCGI_END_REQUEST_BODY_LEN)

/* Parts of a header, of which all eight bytes must be there. */
static inline uint8_t tsfpm_record_version(const uint8_t *header)
{
    return header[0];
}

static inline uint8_t tsfpm_record_type(const uint8_t *header)
{
    return header[1];
}

static inline uint16_t tsfpm_record_id(const uint8_t *header)
{
    return (uint16_t)(header[2] << 8 | header[3]);
}

/* Bytes, up to 65535. */
static inline uint16_t tsfpm_record_content(const uint8_t *header)
{
    return (uint16_t)(header[4] << 8 | header[5]);
}

/* Bytes, up to 255. */
static inline uint8_t tsfpm_record_padding(const uint8_t *header)
{
    return header[6];
}

/* Bytes of the whole record, its header included. */
static inline size_t tsfpm_record_size(const uint8_t *header)
{
    return FCGI_HEADER_LEN + (size_t)tsfpm_record_content(header) + tsfpm_record_padding(header);
}

static inline void tsfpm_set_record_content(uint8_t *header, uint16_t content)
{
    header[4] = (uint8_t)(content >> 8);
    header[5] = (uint8_t)content;
}

/* A header of a record without padding. */
static inline void tsfpm_make_record(uint8_t *header, uint8_t type, uint16_t id, uint16_t content)
{
    const uint8_t bytes[FCGI_HEADER_LEN] = {
        FCGI_VERSION_1, type, (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(content >> 8), (uint8_t)content,
    };
    memcpy(header, bytes, sizeof bytes);
}

/*
 * Bytes behind such a content, for the next record to start at a multiple of eight: section 3.3 recommends that. There
 * is always one: HAProxy 2.6 ends by a segmentation fault where the content of a STDERR record is all that has arrived.
 */
#define TSFPM_PADDING_MOST 8
static inline uint8_t tsfpm_padding_of(size_t content)
{
    return (uint8_t)(TSFPM_PADDING_MOST - content % 8);
}

/* A header of a record for a web server; its content is followed by tsfpm_padding_of() bytes. */
static inline void tsfpm_make_padded_record(uint8_t *header, uint8_t type, uint16_t id, uint16_t content)
{
    tsfpm_make_record(header, type, id, content);
    header[6] = tsfpm_padding_of(content);
}

/* The end of a request that was complete: application status 0, FCGI_REQUEST_COMPLETE. TSFPM_END_REQUEST_LEN bytes. */
static inline void tsfpm_make_end_request(uint8_t *record, uint16_t id)
{
    tsfpm_make_record(record, FCGI_END_REQUEST, id, FCGI_END_REQUEST_BODY_LEN);
    memset(record + FCGI_HEADER_LEN, 0, FCGI_END_REQUEST_BODY_LEN);
}

/* Whether the last bytes of what is written are an END_REQUEST. */
static inline bool tsfpm_ends_with_end_request(const uint8_t *bytes, size_t size)
{
    if (size < TSFPM_END_REQUEST_LEN) return false;
    const uint8_t *record = bytes + size - TSFPM_END_REQUEST_LEN;
    return tsfpm_record_version(record) == FCGI_VERSION_1 && tsfpm_record_type(record) == FCGI_END_REQUEST &&
           tsfpm_record_content(record) == FCGI_END_REQUEST_BODY_LEN && tsfpm_record_padding(record) == 0;
}

#endif
