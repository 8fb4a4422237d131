/*
 * What PHP and the runtime say in a request, in php-fpm's form: "PHP message: " before what PHP logs, messages to the
 * web server joined by "; ", and each of them on the worker's stderr too. php-cgi sends the bare text with a newline,
 * to the web server alone.
 */
#define _GNU_SOURCE
#include "messages.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client.h"
#include "fastcgi.h"
#include "libc.h"
#include "php.h"

static long (*ini_long)(const char *, size_t, int);
static void (*log_elsewhere)(const char *, int);
#define PHP_MESSAGE "PHP message: "

static enum tsfpm_level log_level = TSFPM_LEVEL_NOTICE;
static bool has_told_client; /* something, in this request */
/* Sent with the next piece of the answer, as under php-fpm: nginx makes one line of what comes at once. */
static struct {
    uint8_t header[FCGI_HEADER_LEN]; /* room for the record's */
    char text[8192];
} waiting;
static size_t waiting_length;

void tsfpm_messages_request_starts(void)
{
    has_told_client = false;
    waiting_length = 0;
}

void tsfpm_messages_send(void)
{
    size_t length = waiting_length;
    waiting_length = 0; /* before the sending, which may come here again */
    if (length > 0) tsfpm_client_write_stderr(waiting.header, length);
}

static void wait_to_be_sent(const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t step = left < sizeof waiting.text - waiting_length ? left : sizeof waiting.text - waiting_length;
        memcpy(waiting.text + waiting_length, text, step);
        waiting_length += step;
        text += step;
        left -= step;
        if (waiting_length == sizeof waiting.text) tsfpm_messages_send();
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
    return (struct iovec){.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
}

/* A signal may end a call in the middle of a long line. */
static void write_line(struct iovec *pieces, size_t count)
{
    while (count > 0) {
        ssize_t written = writev(STDERR_FILENO, pieces, (int)count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return; /* nobody is left to tell */
        for (; count > 0 && (size_t)written >= pieces->iov_len; pieces++, count--) written -= (ssize_t)pieces->iov_len;
        if (count == 0) return;
        pieces->iov_base = (char *)pieces->iov_base + written;
        pieces->iov_len -= (size_t)written;
    }
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
    if (level >= log_level) write_line(pieces, sizeof pieces / sizeof *pieces);
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
    write_line(pieces, sizeof pieces / sizeof *pieces);
}

void tsfpm_messages_prepare(void)
{
    struct sapi_module *sapi = tsfpm_sapi_module();
    *(void **)&ini_long = dlsym(RTLD_DEFAULT, "zend_ini_long");
    if (sapi == NULL) return;
    log_elsewhere = sapi->log_message;
    sapi->log_message = on_log;
}
