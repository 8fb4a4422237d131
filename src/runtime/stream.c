#include "stream.h"

#include <string.h>

#include "own-slot.h"
#include "request.h"

struct tsfpm_stream tsfpm_stream;

void tsfpm_stream_begin(void)
{
    memset(&tsfpm_stream, 0, sizeof tsfpm_stream);
}

static void record_begins(bool is_read)
{
    struct tsfpm_stream *stream = &tsfpm_stream;
    stream->type = tsfpm_record_type(stream->header);
    stream->content = tsfpm_record_content(stream->header);
    stream->padding = tsfpm_record_padding(stream->header);
    if (stream->type == FCGI_BEGIN_REQUEST) {
        stream->is_complete = false;
        if (is_read) tsfpm_request_begins(tsfpm_record_id(stream->header));
    } else if (stream->type == FCGI_PARAMS && stream->content == 0) {
        if (is_read) tsfpm_own_slot_stage(TSFPM_STAGE_INFO);
    } else if ((stream->type == FCGI_STDIN && stream->content == 0) || stream->type == FCGI_ABORT_REQUEST) {
        stream->is_complete = true;
    }
}

/* The client may send BEGIN_REQUEST byte by byte. */
static void note_flags(const uint8_t *bytes, size_t count)
{
    size_t before = FCGI_BEGIN_REQUEST_BODY_LEN - (size_t)tsfpm_stream.content; /* php-cgi wants this length */
    if (before <= FCGI_FLAGS_AT && count > FCGI_FLAGS_AT - before) tsfpm_stream.flags = bytes[FCGI_FLAGS_AT - before];
}

static void follow(const uint8_t *bytes, size_t count, bool is_read)
{
    struct tsfpm_stream *stream = &tsfpm_stream;
    while (count > 0) {
        size_t step;
        if (stream->content > 0) {
            step = count < stream->content ? count : stream->content;
            if (is_read && stream->type == FCGI_PARAMS) tsfpm_own_slot_keep_params(bytes, step);
            if (stream->type == FCGI_BEGIN_REQUEST) note_flags(bytes, step);
            stream->content -= (uint16_t)step;
        } else if (stream->padding > 0) {
            step = count < stream->padding ? count : stream->padding;
            stream->padding -= (uint8_t)step;
        } else {
            step = FCGI_HEADER_LEN - stream->header_length;
            if (step > count) step = count;
            memcpy(stream->header + stream->header_length, bytes, step);
            stream->header_length += (uint8_t)step;
            if (stream->header_length == FCGI_HEADER_LEN) {
                stream->header_length = 0;
                record_begins(is_read);
            }
        }
        bytes += step;
        count -= step;
    }
}

void tsfpm_stream_follow(const uint8_t *bytes, size_t count)
{
    follow(bytes, count, true);
}

void tsfpm_stream_skip(const uint8_t *bytes, size_t count)
{
    follow(bytes, count, false);
}
