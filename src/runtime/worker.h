/* A worker: php-cgi's FastCGI loop, whose calls on the client's connection are served here. */
#ifndef TSFPM_WORKER_H
#define TSFPM_WORKER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

extern int tsfpm_connection; /* the client that this worker serves, or -1 */

/* How long a kept-alive client must have been idle before the zygote tells its worker to leave: ns. */
#define TSFPM_KEPT_ALIVE_GRACE_NS 250000000ull

void tsfpm_worker_begin(uint32_t slot_index, int listen_fd, int channel_fd); /* right after fork, all signals blocked */
void tsfpm_worker_leave(void); /* ends after what it has in hand. Async-signal-safe */
void tsfpm_worker_close_descriptors(void); /* in a script's child: listening socket and channel. Async-signal-safe */
void tsfpm_worker_limit_requests(const char *most);   /* in the zygote: pm.max_requests; NULL or "0": none */
void tsfpm_worker_request_starts(void);               /* PHP's request start-up */
void tsfpm_worker_has_no_script(void);                /* the present request: it is not there */
void tsfpm_worker_request_ends(uint64_t memory_peak); /* PHP's request shutdown: bytes */
bool tsfpm_worker_ends_in_order(void); /* no request in hand: whatever scripts returned, the exit code is 0 */

int tsfpm_worker_accept(struct sockaddr *address, socklen_t *length);
int tsfpm_worker_poll(struct pollfd *fds, int timeout_ms);
ssize_t tsfpm_worker_read(void *buffer, size_t size);
ssize_t tsfpm_worker_write(const void *buffer, size_t size);
ssize_t tsfpm_worker_drain(void);
int tsfpm_worker_shutdown(int how);
int tsfpm_worker_close(void);

/*
 * fastcgi_finish_request(): the present request has its END_REQUEST before PHP is done with it. What PHP has written
 * must have been flushed; what it writes from here on is taken and sent to nobody.
 */
void tsfpm_worker_answer_early(void);
bool tsfpm_worker_has_answered_early(void);             /* the present request; PHP is not done with it */
bool tsfpm_worker_may_answer_early(void);               /* what the function returns to PHP */
void tsfpm_worker_hide_broken_connection(bool is_hidden); /* PHP's writes succeed, whatever the client did */
void tsfpm_worker_write_stderr(uint8_t record[], size_t length); /* of a text behind room for a record's header */
bool tsfpm_worker_take_rest(void); /* what the client still sends, without waiting; true when that is all */

#endif
