/* What a client says first: a request's head, which is BEGIN_REQUEST and its params, or GET_VALUES. */
#ifndef TSFPM_REQUEST_HEAD_H
#define TSFPM_REQUEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script-path.h"

/* Most bytes of a head: a web server's own limits are far lower. */
#define TSFPM_HEAD_MOST 4194304u
/* Room for what rewriting adds: a few params, of which each fits in one record. */
#define TSFPM_HEAD_ADDED 262144u

/*
 * php-cgi is handed REDIRECT_URL under this name where it would draw the wrong conclusions from it; scripts see it
 * under its own. No header of a client can be called so: those are HTTP_ something.
 */
#define TSFPM_HIDDEN_REDIRECT_URL "TSFPM:REDIRECT_URL"

enum tsfpm_head_verdict {
    TSFPM_HEAD_INCOMPLETE, /* more bytes are needed */
    TSFPM_HEAD_AS_IT_IS,   /* php-cgi makes of it what php-fpm does, or refuses it itself */
    TSFPM_HEAD_REWRITTEN,  /* php-cgi is to read the rewritten one instead */
    TSFPM_HEAD_REFUSED,    /* php-cgi must not see it, and what it should see does not fit */
};

/*
 * Reads a head that starts at `bytes`. For REWRITTEN, `taken` of those bytes are the head as it was sent, and the
 * first `made` bytes of `room` are what stands for it. Allocates nothing.
 */
enum tsfpm_head_verdict tsfpm_head_look(const uint8_t *bytes, size_t length, const struct tsfpm_script_rules *rules,
                                        uint8_t *room, size_t room_size, size_t *taken, size_t *made);

#endif
