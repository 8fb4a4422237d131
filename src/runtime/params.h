/*
 * The name-value pairs in PARAMS and GET_VALUES records (FastCGI 1.0, section 3.4), read as PHP's main/fastcgi.c does,
 * which php-cgi and php-fpm share: every record holds whole pairs, and a record that does not is refused.
 */
#ifndef TSFPM_PARAMS_H
#define TSFPM_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A piece of bytes that belong to somebody else, without an end of its own. `start` is NULL where there is none. */
struct tsfpm_text {
    const char *start;
    size_t length;
};
#define TSFPM_TEXT(literal) {literal, sizeof literal - 1}

static inline bool tsfpm_text_equals(struct tsfpm_text a, struct tsfpm_text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.start, b.start, a.length) == 0);
}

/* PHP refuses a length of four bytes that ends the record, also of an empty pair, which needs nothing behind it. */
static inline bool tsfpm_next_param_length(const uint8_t **at, const uint8_t *end, size_t *length)
{
    const uint8_t *b = *at;
    if (b >= end) return false;
    *length = b[0];
    *at = b + 1;
    if (b[0] < 0x80) return true;
    if (end - b < 5) return false;
    *length = (size_t)(b[0] & 0x7f) << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    *at = b + 4;
    return true;
}

/*
 * The next pair of a record's content, of which `*at` to `end` are still unread; moves `*at` behind it. Returns false
 * where there is none: at the end, and before a pair for which PHP refuses the record, so that `*at` is not `end` then.
 */
static inline bool tsfpm_next_param(const uint8_t **at, const uint8_t *end, struct tsfpm_text *name,
                                    struct tsfpm_text *value)
{
    const uint8_t *here = *at;
    size_t name_length, value_length;
    if (!tsfpm_next_param_length(&here, end, &name_length) || !tsfpm_next_param_length(&here, end, &value_length))
        return false;
    if (name_length > (size_t)(end - here) || value_length > (size_t)(end - here) - name_length) return false;
    *name = (struct tsfpm_text){(const char *)here, name_length};
    *value = (struct tsfpm_text){(const char *)here + name_length, value_length};
    *at = here + name_length + value_length;
    return true;
}

#endif
