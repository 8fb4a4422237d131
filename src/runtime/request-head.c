/*
 * Reads the head of a request before php-cgi does, and writes it anew where php-cgi is to see other params than were
 * sent: those that name the script (script-path.c), and the limits that a client asks for with GET_VALUES, of which
 * php-fpm tells one and php-cgi three. Everything else stays as it was sent, byte by byte.
 */
#define _GNU_SOURCE
#include "request-head.h"

#include <string.h>

#include "fastcgi.h"
#include "head-params.h"
#include "params.h"

#define RECORD_MOST 65535u /* php-cgi takes no more in one record, its padding included */

static const struct tsfpm_text names[PARAM_COUNT] = {
    [SCRIPT_FILENAME] = TSFPM_TEXT("SCRIPT_FILENAME"),
    [SCRIPT_NAME] = TSFPM_TEXT("SCRIPT_NAME"),
    [PATH_INFO] = TSFPM_TEXT("PATH_INFO"),
    [PATH_TRANSLATED] = TSFPM_TEXT("PATH_TRANSLATED"),
    [DOCUMENT_ROOT] = TSFPM_TEXT("DOCUMENT_ROOT"),
    [REDIRECT_URL] = TSFPM_TEXT("REDIRECT_URL"),
    [SERVER_SOFTWARE] = TSFPM_TEXT("SERVER_SOFTWARE"),
    [ORIG_SCRIPT_FILENAME] = TSFPM_TEXT("ORIG_SCRIPT_FILENAME"),
    [ORIG_SCRIPT_NAME] = TSFPM_TEXT("ORIG_SCRIPT_NAME"),
    [ORIG_PATH_INFO] = TSFPM_TEXT("ORIG_PATH_INFO"),
    [ORIG_PATH_TRANSLATED] = TSFPM_TEXT("ORIG_PATH_TRANSLATED"),
    [HIDDEN_REDIRECT_URL] = TSFPM_TEXT(TSFPM_HIDDEN_REDIRECT_URL),
    [MAX_CONNS] = TSFPM_TEXT("FCGI_MAX_CONNS"),
    [MAX_REQS] = TSFPM_TEXT("FCGI_MAX_REQS"),
};

/* ---- reading ---- */

static enum tsfpm_param which(struct tsfpm_text name)
{
    if (name.length < sizeof "PATH_INFO" - 1 || name.length > sizeof "ORIG_SCRIPT_FILENAME" - 1) return PARAM_COUNT;
    for (enum tsfpm_param param = 0; param < PARAM_COUNT; param++)
        if (tsfpm_text_equals(name, names[param])) return param;
    return PARAM_COUNT;
}

/* Whether a record is there in full; `is_wrong` tells of one that php-cgi refuses. */
static bool has_record(const uint8_t *bytes, size_t length, bool *is_wrong)
{
    if (length < FCGI_HEADER_LEN) return false;
    size_t size = tsfpm_record_size(bytes);
    *is_wrong = tsfpm_record_version(bytes) < FCGI_VERSION_1 || size > FCGI_HEADER_LEN + RECORD_MOST;
    return !*is_wrong && length >= size;
}

/*
 * Where the params end: for php-cgi with an empty record, or any of another type. Returns false where they do not, or
 * `is_wrong`; `end` is then that of the last whole record.
 */
static bool find_end(const uint8_t *bytes, size_t length, size_t *end, bool *is_wrong)
{
    for (*end = tsfpm_record_size(bytes); *end < length; *end += tsfpm_record_size(bytes + *end)) {
        const uint8_t *header = bytes + *end;
        bool is_whole = has_record(header, length - *end, is_wrong);
        if (*is_wrong || length - *end < FCGI_HEADER_LEN) return false;
        if (tsfpm_record_type(header) != FCGI_PARAMS || tsfpm_record_content(header) == 0) return true;
        if (!is_whole) return false;
    }
    return false;
}

static bool may_be_first(const uint8_t *header)
{
    uint8_t type = tsfpm_record_type(header);
    return type == FCGI_GET_VALUES ||
           (type == FCGI_BEGIN_REQUEST && tsfpm_record_content(header) == FCGI_BEGIN_REQUEST_BODY_LEN);
}

static bool has_role(const uint8_t *begin)
{
    const uint8_t *role = begin + FCGI_HEADER_LEN;
    return role[0] == 0 && role[1] >= FCGI_RESPONDER && role[1] <= FCGI_FILTER;
}

/* Collects the params between BEGIN_REQUEST and `end`. Returns false where php-cgi will refuse them. */
static bool read_params(const uint8_t *bytes, size_t end, struct tsfpm_head_params *params)
{
    for (size_t at = tsfpm_record_size(bytes); at < end; at += tsfpm_record_size(bytes + at)) {
        const uint8_t *here = bytes + at + FCGI_HEADER_LEN, *last = here + tsfpm_record_content(bytes + at);
        struct tsfpm_text name, value;
        while (tsfpm_next_param(&here, last, &name, &value)) {
            enum tsfpm_param param = which(name);
            if (param == PARAM_COUNT) continue;
            /* The last one of a name counts. */
            params->sent[param] = (struct tsfpm_text){value.start, strnlen(value.start, value.length)};
        }
        if (here != last) return false;
    }
    return true;
}

/* ---- writing ---- */

struct output {
    uint8_t *bytes;
    size_t size, used;
    bool is_full;
};

static void put(struct output *output, const void *bytes, size_t length)
{
    if (output->is_full || length > output->size - output->used) {
        output->is_full = true;
        return;
    }
    if (length > 0) memcpy(output->bytes + output->used, bytes, length);
    output->used += length;
}

static void put_length(struct output *output, size_t length)
{
    const uint8_t bytes[4] = {(uint8_t)(length >> 24 | 0x80), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                              (uint8_t)length};
    if (length < 0x80) put(output, bytes + 3, 1);
    else put(output, bytes, 4);
}

static void put_header(struct output *output, const uint8_t *like, uint8_t type, size_t content)
{
    uint8_t header[FCGI_HEADER_LEN];
    tsfpm_make_record(header, type, tsfpm_record_id(like), (uint16_t)content);
    if (content > RECORD_MOST) output->is_full = true;
    put(output, header, sizeof header);
}

static void put_new_param(struct output *output, const uint8_t *like, struct tsfpm_text name, struct tsfpm_text front,
                          struct tsfpm_text back)
{
    size_t value = front.length + back.length;
    size_t lengths = (name.length < 0x80 ? 1 : 4) + (value < 0x80 ? 1 : 4);
    put_header(output, like, FCGI_PARAMS, lengths + name.length + value);
    put_length(output, name.length);
    put_length(output, value);
    put(output, name.start, name.length);
    put(output, front.start, front.length);
    put(output, back.start, back.length);
}

/* A record without some of its params. */
static void put_without(struct output *output, const uint8_t *header, uint32_t params)
{
    const uint8_t *at = header + FCGI_HEADER_LEN, *end = at + tsfpm_record_content(header);
    size_t start = output->used;
    struct tsfpm_text name, value;
    put_header(output, header, tsfpm_record_type(header), 0);
    for (const uint8_t *pair = at; tsfpm_next_param(&at, end, &name, &value); pair = at) {
        enum tsfpm_param param = which(name);
        if (param == PARAM_COUNT || !(params & 1u << param)) put(output, pair, (size_t)(at - pair));
    }
    put(output, at, (size_t)(end - at)); /* a pair that php-cgi refuses, and what follows it, stay as they are */
    if (output->is_full) return;
    size_t content = output->used - start - FCGI_HEADER_LEN;
    tsfpm_set_record_content(output->bytes + start, (uint16_t)content);
    if (content == 0 && tsfpm_record_type(header) == FCGI_PARAMS) output->used = start; /* it would end the params */
}

static void write_head(struct output *output, const uint8_t *bytes, size_t length,
                       const struct tsfpm_head_params *params)
{
    put(output, bytes, tsfpm_record_size(bytes));
    for (size_t at = tsfpm_record_size(bytes); at < length; at += tsfpm_record_size(bytes + at))
        put_without(output, bytes + at, params->changed);
    for (enum tsfpm_param param = 0; param < PARAM_COUNT; param++)
        if (params->changed & 1u << param && params->value[param].front.start != NULL)
            put_new_param(output, bytes, names[param], params->value[param].front, params->value[param].back);
}

enum tsfpm_head_verdict tsfpm_head_look(const uint8_t *bytes, size_t length, const struct tsfpm_script_rules *rules,
                                        uint8_t *room, size_t room_size, size_t *taken, size_t *made)
{
    struct output output = {.bytes = room, .size = room_size};
    bool is_wrong = false;
    bool is_whole = has_record(bytes, length, &is_wrong);
    /* php-cgi refuses what is wrong as soon as it sees it: nothing more is waited for. */
    if (length >= FCGI_HEADER_LEN && (is_wrong || !may_be_first(bytes))) return TSFPM_HEAD_AS_IT_IS;
    if (!is_whole) return TSFPM_HEAD_INCOMPLETE;
    if (tsfpm_record_type(bytes) == FCGI_GET_VALUES) {
        *taken = tsfpm_record_size(bytes);
        put_without(&output, bytes, 1u << MAX_CONNS | 1u << MAX_REQS);
    } else {
        struct tsfpm_head_params params;
        memset(&params, 0, sizeof params);
        if (!has_role(bytes)) return TSFPM_HEAD_AS_IT_IS;
        bool has_end = find_end(bytes, length, taken, &is_wrong);
        if (is_wrong || !read_params(bytes, *taken, &params)) return TSFPM_HEAD_AS_IT_IS;
        if (!has_end) return TSFPM_HEAD_INCOMPLETE;
        tsfpm_fix_script_path(&params, rules);
        if (params.changed == 0) return TSFPM_HEAD_AS_IT_IS;
        write_head(&output, bytes, *taken, &params);
    }
    *made = output.used;
    return output.is_full ? TSFPM_HEAD_REFUSED : TSFPM_HEAD_REWRITTEN;
}
