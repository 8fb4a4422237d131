/* What PHP and the runtime say in a request, to the log and to the web server. */
#ifndef TSFPM_MESSAGES_H
#define TSFPM_MESSAGES_H

#include "pieces.h"

/* The master's log levels, in rising order, as the setting of that name counts them. */
enum tsfpm_level {
    TSFPM_LEVEL_DEBUG = 1,
    TSFPM_LEVEL_NOTICE,
    TSFPM_LEVEL_WARNING,
    TSFPM_LEVEL_ERROR,
    TSFPM_LEVEL_ALERT,
};

void tsfpm_messages_prepare(void); /* once PHP is there: what PHP logs is handled here from then on */
void tsfpm_messages_configure(enum tsfpm_level lowest); /* log_level; not called: NOTICE */
void tsfpm_messages_request_starts(void);

/*
 * Those that wait for the next piece of the answer, as a whole record, which is to be written right before it: they
 * wait no more. Nothing where none does, and outside of a request. Async-signal-safe.
 */
struct iovec tsfpm_messages_take(void);

/*
 * Writes `front` and `text`, one message, to the web server, and from log_level up to the worker's stderr: there its
 * level comes first, and where log_level is DEBUG its place in the code.
 */
#define tsfpm_message(level, front, text) \
    tsfpm_message_from(level, __func__, "(), line " TSFPM_LITERAL(__LINE__) ": ", front, text)
#define TSFPM_LITERAL(value) TSFPM_LITERAL_OF(value)
#define TSFPM_LITERAL_OF(value) #value
void tsfpm_message_from(enum tsfpm_level level, const char *function, const char *line, const char *front,
                        const char *text);

#endif
