#include "relay.h"

#include <string.h>

#include "fastcgi.h"

static const char *status_path, *ping_path;

void tsfpm_relay_configure(const char *status, const char *ping)
{
    status_path = status;
    ping_path = ping;
}

bool tsfpm_relay_is_wanted(void)
{
    return status_path != NULL || ping_path != NULL;
}

struct text {
    const char *start;
    size_t length;
};

/* php-fpm looks at SCRIPT_NAME, and wants a method and a script, which need not exist. */
struct params {
    struct text script_name, query, method, script;
};

static bool equals(struct text text, const char *word)
{
    return word != NULL && text.length == strlen(word) && memcmp(text.start, word, text.length) == 0;
}

static bool read_length(const uint8_t **at, const uint8_t *end, size_t *length)
{
    if (*at >= end) return false;
    if (**at < 0x80) {
        *length = *(*at)++;
        return true;
    }
    if (end - *at < 4) return false;
    const uint8_t *b = *at;
    *length = (size_t)(b[0] & 0x7f) << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    *at += 4;
    return true;
}

/* One PARAMS record holds whole pairs, as php-cgi demands. Returns false where it would refuse. */
static bool read_params(const uint8_t *at, size_t length, struct params *params)
{
    const uint8_t *end = at + length;
    while (at < end) {
        size_t name_length, value_length;
        if (!read_length(&at, end, &name_length) || !read_length(&at, end, &value_length)) return false;
        if (name_length > (size_t)(end - at) || value_length > (size_t)(end - at) - name_length) return false;
        struct text name = {(const char *)at, name_length};
        struct text value = {(const char *)at + name_length, value_length};
        at += name_length + value_length;
        if (equals(name, "SCRIPT_NAME")) params->script_name = value;
        else if (equals(name, "QUERY_STRING")) params->query = value;
        else if (equals(name, "REQUEST_METHOD")) params->method = value;
        else if (equals(name, "SCRIPT_FILENAME")) params->script = value;
        else if (equals(name, "PATH_TRANSLATED") && params->script.start == NULL) params->script = value;
    }
    return true;
}

static enum tsfpm_relay_match decide(const struct params *params, struct tsfpm_relay_request *request)
{
    if (params->script.start == NULL || params->method.length == 0) return TSFPM_RELAY_NO;
    if (equals(params->script_name, ping_path)) request->kind = TSFPM_QUESTION_PING;
    else if (equals(params->script_name, status_path)) request->kind = TSFPM_QUESTION_STATUS;
    else return TSFPM_RELAY_NO;
    request->is_head = equals(params->method, "HEAD");
    request->query = params->query.start;
    request->query_length = params->query.length;
    request->script = params->script.start;
    request->script_length = params->script.length;
    return TSFPM_RELAY_YES;
}

enum tsfpm_relay_match tsfpm_relay_match(const uint8_t *bytes, size_t length, struct tsfpm_relay_request *request)
{
    struct params params = {0};
    bool has_begun = false;
    memset(request, 0, sizeof *request);
    for (size_t at = 0;;) {
        if (length - at < FCGI_HEADER_LEN) return TSFPM_RELAY_INCOMPLETE;
        const uint8_t *header = bytes + at;
        size_t content = tsfpm_record_content(header), padding = tsfpm_record_padding(header);
        if (tsfpm_record_version(header) != FCGI_VERSION_1) return TSFPM_RELAY_NO;
        /* Such as the end of the last request's body: php-cgi reads it, and what follows is a start again. */
        if (!has_begun && tsfpm_record_type(header) != FCGI_BEGIN_REQUEST) return TSFPM_RELAY_NO;
        at += FCGI_HEADER_LEN;
        if (length - at < content + padding) return TSFPM_RELAY_INCOMPLETE;
        if (!has_begun) {
            if (content != FCGI_BEGIN_REQUEST_BODY_LEN) return TSFPM_RELAY_NO;
            has_begun = true;
            request->id = tsfpm_record_id(header);
            request->keeps_connection = (bytes[at + FCGI_FLAGS_AT] & FCGI_KEEP_CONN) != 0;
        } else if (tsfpm_record_type(header) != FCGI_PARAMS) {
            return TSFPM_RELAY_NO;
        } else if (content == 0) {
            request->length = at + padding;
            return decide(&params, request);
        } else if (!read_params(bytes + at, content, &params)) {
            return TSFPM_RELAY_NO;
        }
        at += content + padding;
    }
}

static const char *find_param(const uint8_t *at, size_t length, const char *name, size_t *value_length)
{
    const uint8_t *end = at + length;
    const char *found = NULL;
    while (at < end) {
        size_t name_length, length_of_it;
        if (!read_length(&at, end, &name_length) || !read_length(&at, end, &length_of_it)) break;
        if (name_length > (size_t)(end - at) || length_of_it > (size_t)(end - at) - name_length) break;
        if (equals((struct text){(const char *)at, name_length}, name)) {
            found = (const char *)at + name_length;
            *value_length = length_of_it;
        }
        at += name_length + length_of_it;
    }
    return found;
}

const char *tsfpm_relay_param(const uint8_t *bytes, size_t length, const char *name, size_t *value_length)
{
    const char *found = NULL;
    for (size_t at = 0; length - at >= FCGI_HEADER_LEN;) {
        const uint8_t *header = bytes + at;
        size_t size = tsfpm_record_size(header), content = tsfpm_record_content(header);
        if (length - at < size) break;
        bool is_params = tsfpm_record_type(header) == FCGI_PARAMS;
        const char *value = is_params ? find_param(header + FCGI_HEADER_LEN, content, name, value_length) : NULL;
        if (value != NULL) found = value;
        at += size;
    }
    return found;
}
