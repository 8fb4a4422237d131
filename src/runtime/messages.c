/*
 * What PHP and the runtime say in a request, in php-fpm's form: "PHP message: " before what PHP logs, messages to the
 * web server joined by "; ", and each of them on the worker's stderr too. php-cgi sends the bare text with a newline,
 * to the web server alone.
 */
#define _GNU_SOURCE
#include "messages.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "fastcgi.h"
#include "libc.h"
#include "php.h"
#include "request-phase.h"

static long (*ini_long)(const char *, size_t, int);
static void (*log_elsewhere)(const char *, int);
#define PHP_MESSAGE "PHP message: "

static enum tsfpm_level log_level = TSFPM_LEVEL_NOTICE;
static bool has_told_client; /* something, in this request */
/* Sent with the next piece of the answer, as under php-fpm: nginx makes one line of what comes at once. */
#define WAITING_MOST 8192
static struct {
    uint8_t header[FCGI_HEADER_LEN]; /* room for the record's */
    char text[WAITING_MOST + TSFPM_PADDING_MOST];
} waiting;
static volatile size_t waiting_length; /* the handler of the time-out asks at any moment */

void tsfpm_messages_request_starts(void)
{
    has_told_client = false;
    waiting_length = 0;
}

struct iovec tsfpm_messages_take(void)
{
    size_t length = waiting_length, padding = tsfpm_padding_of(length);
    waiting_length = 0;
    if (length == 0 || !tsfpm_phase_is(TSFPM_PHASES_UNANSWERED) || tsfpm_role != TSFPM_ROLE_WORKER)
        return tsfpm_piece(NULL, 0);
    tsfpm_make_padded_record(waiting.header, FCGI_STDERR, tsfpm_request_id, (uint16_t)length);
    memset(waiting.text + length, 0, padding);
    return tsfpm_piece(waiting.header, FCGI_HEADER_LEN + length + padding);
}

/* No more can wait. Once a message is whole, it is no part of the answer. */
static void send_alone(void)
{
    sig_atomic_t has_begun = tsfpm_response_has_begun;
    tsfpm_response_has_begun = 1;
    struct iovec record = tsfpm_messages_take();
    if (tsfpm_client_write(&record, 1)) tsfpm_response_has_begun = has_begun;
}

static void wait_to_be_sent(const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t step = left < WAITING_MOST - waiting_length ? left : WAITING_MOST - waiting_length;
        memcpy(waiting.text + waiting_length, text, step);
        atomic_signal_fence(memory_order_release); /* who finds the length finds the text */
        waiting_length += step;
        text += step;
        left -= step;
        if (waiting_length == WAITING_MOST) send_alone();
    }
}

static void tell_client(const char *front, const char *text)
{
    if (ini_long == NULL || ini_long("fastcgi.logging", sizeof "fastcgi.logging" - 1, 0) == 0) return;
    if (has_told_client) wait_to_be_sent("; ");
    wait_to_be_sent(front);
    wait_to_be_sent(text);
    has_told_client = true;
}

static struct iovec piece(const char *text)
{
    return tsfpm_piece(text, strlen(text));
}

void tsfpm_messages_configure(enum tsfpm_level lowest)
{
    log_level = lowest;
}

void tsfpm_message_from(enum tsfpm_level level, const char *function, const char *line, const char *front,
                        const char *text)
{
    static const char *const words[] = {
        [TSFPM_LEVEL_DEBUG] = "DEBUG: ", [TSFPM_LEVEL_NOTICE] = "NOTICE: ", [TSFPM_LEVEL_WARNING] = "WARNING: ",
        [TSFPM_LEVEL_ERROR] = "ERROR: ", [TSFPM_LEVEL_ALERT] = "ALERT: ",
    };
    bool with_place = log_level == TSFPM_LEVEL_DEBUG;
    struct iovec pieces[] = {piece(words[level]), piece(with_place ? function : ""), piece(with_place ? line : ""),
                             piece(front), piece(text), piece("\n")};
    if (level >= log_level) tsfpm_write_pieces(STDERR_FILENO, pieces, sizeof pieces / sizeof *pieces);
    tell_client(front, text);
}

static void on_log(const char *message, int syslog_priority)
{
    if (tsfpm_role != TSFPM_ROLE_WORKER && tsfpm_role != TSFPM_ROLE_SCRIPT_CHILD) {
        log_elsewhere(message, syslog_priority);
        return;
    }
    tsfpm_message(TSFPM_LEVEL_NOTICE, PHP_MESSAGE, message);
    if (log_level <= TSFPM_LEVEL_NOTICE) return;
    /* php-fpm hides the level then, and nothing else. */
    struct iovec pieces[] = {piece(PHP_MESSAGE), piece(message), piece("\n")};
    tsfpm_write_pieces(STDERR_FILENO, pieces, sizeof pieces / sizeof *pieces);
}

void tsfpm_messages_prepare(void)
{
    struct sapi_module *sapi = tsfpm_sapi_module();
    *(void **)&ini_long = dlsym(RTLD_DEFAULT, "zend_ini_long");
    if (sapi == NULL) return;
    log_elsewhere = sapi->log_message;
    sapi->log_message = on_log;
}
