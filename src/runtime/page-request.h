/* Recognises requests for the status and ping pages, which the master answers, before php-cgi reads them. */
#ifndef TSFPM_PAGE_REQUEST_H
#define TSFPM_PAGE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"

/* Paths that stay; NULL where the pool has none. */
void tsfpm_pages_configure(const char *status_path, const char *ping_path);

bool tsfpm_pages_are_wanted(void);

enum tsfpm_page_match {
    TSFPM_PAGE_INCOMPLETE, /* more of the request is needed */
    TSFPM_PAGE_NO,         /* php-cgi's to answer, or to refuse */
    TSFPM_PAGE_YES,
};

struct tsfpm_page_request {
    enum tsfpm_question_kind kind;
    bool is_head;
    bool keeps_connection;
    uint16_t id;         /* FastCGI request id */
    size_t length;       /* bytes up to the end of PARAMS */
    const char *query;   /* in the bytes that were given; not terminated */
    size_t query_length;
    const char *script;  /* as the web server names it; likewise */
    size_t script_length;
};

/* Reads a client's bytes from the start of a request on. */
enum tsfpm_page_match tsfpm_page_match(const uint8_t *bytes, size_t length, struct tsfpm_page_request *request);

/* The value of a param in bytes that matched, or NULL; of one sent twice the last. Not terminated. */
const char *tsfpm_page_param(const uint8_t *bytes, size_t length, const char *name, size_t *value_length);

#endif
