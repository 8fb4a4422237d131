/*
 * The params of a request's head that decide which script runs: as the client sent them, and as php-cgi is to see them.
 * request-head.c reads them and writes them down again, script-path.c changes them in between.
 *
 * Values are C texts to PHP: what follows a NUL is not there, and no text here has one.
 */
#ifndef TSFPM_HEAD_PARAMS_H
#define TSFPM_HEAD_PARAMS_H

#include <stdint.h>

#include "params.h"

enum tsfpm_param {
    SCRIPT_FILENAME,
    SCRIPT_NAME,
    PATH_INFO,
    PATH_TRANSLATED,
    DOCUMENT_ROOT,
    REDIRECT_URL,
    SERVER_SOFTWARE,
    ORIG_SCRIPT_FILENAME,
    ORIG_SCRIPT_NAME,
    ORIG_PATH_INFO,
    ORIG_PATH_TRANSLATED,
    HIDDEN_REDIRECT_URL,
    MAX_CONNS, /* the two limits are asked for by GET_VALUES */
    MAX_REQS,
    PARAM_COUNT,
};

/* `changed` has a bit for each param whose value is not the one that was sent, but two pieces, or none. */
struct tsfpm_head_params {
    struct tsfpm_text sent[PARAM_COUNT];
    struct {
        struct tsfpm_text front, back;
    } value[PARAM_COUNT];
    uint32_t changed;
};

static inline void tsfpm_set_param_joined(struct tsfpm_head_params *params, enum tsfpm_param param,
                                          struct tsfpm_text front, struct tsfpm_text back)
{
    params->value[param].front = front;
    params->value[param].back = back;
    params->changed |= 1u << param;
}

static inline void tsfpm_set_param(struct tsfpm_head_params *params, enum tsfpm_param param, struct tsfpm_text value)
{
    tsfpm_set_param_joined(params, param, value, (struct tsfpm_text){0});
}

/* The param's present value; `{NULL}` where it has none. Not for one that was set in two pieces. */
static inline struct tsfpm_text tsfpm_get_param(const struct tsfpm_head_params *params, enum tsfpm_param param)
{
    return params->changed & 1u << param ? params->value[param].front : params->sent[param];
}

#endif
