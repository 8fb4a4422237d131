#include "page-request.h"

#include <string.h>

#include "fastcgi.h"
#include "params.h"

static const char *status_path, *ping_path;

void tsfpm_pages_configure(const char *status, const char *ping)
{
    status_path = status;
    ping_path = ping;
}

bool tsfpm_pages_are_wanted(void)
{
    return status_path != NULL || ping_path != NULL;
}

/* php-fpm decides by SCRIPT_NAME, and wants a method and a script, which need not exist. */
struct params {
    struct tsfpm_text script_name, query, method, script;
};

static bool equals(struct tsfpm_text text, const char *word)
{
    return word != NULL && text.length == strlen(word) && memcmp(text.start, word, text.length) == 0;
}

/* Returns false where php-cgi would refuse the record. */
static bool read_params(const uint8_t *at, size_t length, struct params *params)
{
    const uint8_t *end = at + length;
    struct tsfpm_text name, value;
    while (tsfpm_next_param(&at, end, &name, &value)) {
        if (equals(name, "SCRIPT_NAME")) params->script_name = value;
        else if (equals(name, "QUERY_STRING")) params->query = value;
        else if (equals(name, "REQUEST_METHOD")) params->method = value;
        else if (equals(name, "SCRIPT_FILENAME")) params->script = value;
        else if (equals(name, "PATH_TRANSLATED") && params->script.start == NULL) params->script = value;
    }
    return at == end;
}

static enum tsfpm_page_match decide(const struct params *params, struct tsfpm_page_request *request)
{
    if (params->script.start == NULL || params->method.length == 0) return TSFPM_PAGE_NO;
    if (equals(params->script_name, ping_path)) request->kind = TSFPM_QUESTION_PING;
    else if (equals(params->script_name, status_path)) request->kind = TSFPM_QUESTION_STATUS;
    else return TSFPM_PAGE_NO;
    request->is_head = equals(params->method, "HEAD");
    request->query = params->query.start;
    request->query_length = params->query.length;
    request->script = params->script.start;
    request->script_length = params->script.length;
    return TSFPM_PAGE_YES;
}

enum tsfpm_page_match tsfpm_page_match(const uint8_t *bytes, size_t length, struct tsfpm_page_request *request)
{
    struct params params = {0};
    bool has_begun = false;
    memset(request, 0, sizeof *request);
    for (size_t at = 0;;) {
        if (length - at < FCGI_HEADER_LEN) return TSFPM_PAGE_INCOMPLETE;
        const uint8_t *header = bytes + at;
        size_t content = tsfpm_record_content(header), padding = tsfpm_record_padding(header);
        if (tsfpm_record_version(header) != FCGI_VERSION_1) return TSFPM_PAGE_NO;
        /* It may be the end of the last request's body: once php-cgi has read that, a request may start. */
        if (!has_begun && tsfpm_record_type(header) != FCGI_BEGIN_REQUEST) return TSFPM_PAGE_NO;
        at += FCGI_HEADER_LEN;
        if (length - at < content + padding) return TSFPM_PAGE_INCOMPLETE;
        if (!has_begun) {
            if (content != FCGI_BEGIN_REQUEST_BODY_LEN) return TSFPM_PAGE_NO;
            has_begun = true;
            request->id = tsfpm_record_id(header);
            request->keeps_connection = (bytes[at + FCGI_FLAGS_AT] & FCGI_KEEP_CONN) != 0;
        } else if (tsfpm_record_type(header) != FCGI_PARAMS) {
            return TSFPM_PAGE_NO;
        } else if (content == 0) {
            request->length = at + padding;
            return decide(&params, request);
        } else if (!read_params(bytes + at, content, &params)) {
            return TSFPM_PAGE_NO;
        }
        at += content + padding;
    }
}

static const char *find_param(const uint8_t *at, size_t length, const char *wanted, size_t *value_length)
{
    const char *found = NULL;
    struct tsfpm_text name, value;
    for (const uint8_t *end = at + length; tsfpm_next_param(&at, end, &name, &value);) {
        if (!equals(name, wanted)) continue;
        found = value.start;
        *value_length = value.length;
    }
    return found;
}

const char *tsfpm_page_param(const uint8_t *bytes, size_t length, const char *name, size_t *value_length)
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
