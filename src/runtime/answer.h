/* The end of an answer: php-cgi writes it, or the runtime does before PHP is done with the request. */
#ifndef TSFPM_ANSWER_H
#define TSFPM_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* php-cgi writes to the client: returns what write() does. */
ssize_t tsfpm_answer_write(const void *buffer, size_t size);

/*
 * Ends the answer of a request that PHP goes on with. What PHP has written must have been flushed; what it writes from
 * here on is taken, and sent to nobody. Nothing is done where the request is not running, or has its answer already.
 */
void tsfpm_answer_early(void);
bool tsfpm_may_answer_early(void); /* what fastcgi_finish_request() returns; php-fpm's may be true again */

#endif
