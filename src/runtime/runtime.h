/* What the files of the runtime share. */
#ifndef TSFPM_RUNTIME_H
#define TSFPM_RUNTIME_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libc.h"
#include "title.h"

/* close-from.c: every descriptor from this one on. */
void tsfpm_close_from(int first);

/* zygote.c: never returns in the zygote; returns 0 in each worker, as fork() does. */
pid_t tsfpm_zygote_run(void);

/* module.c: ini values that scripts may not change, `count` pairs of strings that stay for the life of the process. */
void tsfpm_module_lock_values(char *const *names, char *const *values, size_t count);

/* sapi-name.c */
void tsfpm_sapi_name_take(const char *name); /* copied; NULL keeps php-cgi's own */
void tsfpm_sapi_name_set(void);              /* once PHP has its constants */

/* main-script.c */
void tsfpm_main_script_prepare(void);                           /* once PHP is there */
void tsfpm_main_script_configure(const char *limit_extensions); /* stays; NULL: any. Tells where it cannot be kept */
long tsfpm_main_script_content_length(void); /* of the present request, as PHP has read it */
struct tsfpm_head_rules;
const struct tsfpm_head_rules *tsfpm_main_script_rules(void);
void tsfpm_main_script_tell_too_long(void); /* that a request's params are more than it may have */
void tsfpm_main_script_check(void);     /* PHP's request start-up: refuses what is not to run */
void tsfpm_main_script_check_end(void); /* PHP's request shutdown: tells of a script that could not be opened */

/* allowed-clients.c */
void tsfpm_allowed_clients_configure(const char *list); /* addresses, separated by commas; not called: everybody */
void tsfpm_allowed_clients_tell_mistakes(void); /* on stderr, in php-fpm's words */
bool tsfpm_allowed_clients_permit(const struct sockaddr_storage *client);
void tsfpm_allowed_clients_tell(const struct sockaddr_storage *client); /* that this one, IPv4 or IPv6, is refused */

/* request-ini.c */
bool tsfpm_request_ini_is_unsafe(void); /* the request asked for a restriction that it cannot have */
void tsfpm_request_ini_prepare(void); /* once PHP is there: from then on PHP_VALUE and PHP_ADMIN_VALUE count */

/* messages.c */
void tsfpm_messages_prepare(void); /* once PHP is there: from then on PHP's log goes where php-fpm's does */
void tsfpm_messages_request_starts(void);
void tsfpm_messages_send(void); /* those that wait for the answer's next piece */

/* The master's log levels, in rising order, as the setting of that name counts them. */
enum tsfpm_level { TSFPM_LEVEL_DEBUG = 1, TSFPM_LEVEL_NOTICE, TSFPM_LEVEL_WARNING, TSFPM_LEVEL_ERROR, TSFPM_LEVEL_ALERT };
void tsfpm_messages_configure(enum tsfpm_level lowest); /* log_level; not called: NOTICE */
/*
 * To the worker's stderr from log_level up, with level, and at DEBUG its place, before it; and to the client in any case.
 * `front` and `text` are one message.
 */
#define tsfpm_message(level, front, text) \
    tsfpm_message_from(level, __func__, "(), line " TSFPM_LITERAL(__LINE__) ": ", front, text)
#define TSFPM_LITERAL(value) TSFPM_LITERAL_OF(value)
#define TSFPM_LITERAL_OF(value) #value
void tsfpm_message_from(enum tsfpm_level level, const char *function, const char *line, const char *front,
                        const char *text);
void tsfpm_message_to_client(const char *front, const char *text);

/* error-header.c */
void tsfpm_error_header_start(int module_number); /* PHP's module start-up */
void tsfpm_error_header_request_starts(void);

/* request-body.c */
void tsfpm_request_body_prepare(void); /* once PHP is there: from then on REQUEST_BODY_FILE counts */
void tsfpm_request_body_starts(void);  /* a request's start, before PHP reads anything of it */
void tsfpm_request_body_ends(void);    /* nothing more is read of it */

/* environment.c */
void tsfpm_environment_prepare(void);
void tsfpm_environment_configure(void); /* once php-cgi has made its own arrangements */

/* How long a kept-alive client must have been idle before the zygote tells its worker to leave: ns. */
#define TSFPM_KEPT_ALIVE_GRACE_NS 250000000ull

/* worker.c */
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

/*
 * timeout.c: what the handler needs to know of the present request, kept by worker.c. The slot will not do: whoever owns
 * a sibling worker can write there.
 */
extern volatile uint64_t tsfpm_request_start_ns;       /* as in the slot; 0: nothing is in hand */
extern volatile sig_atomic_t tsfpm_request_id;         /* -1: it has not begun, or its END_REQUEST is written */
extern volatile sig_atomic_t tsfpm_response_has_begun; /* a byte of its answer was handed to the kernel, or may be */
void tsfpm_timeout_begin(void);                        /* in a new worker */

extern int tsfpm_connection; /* the client that this worker serves, or -1 */

#endif
