/*
 * What PHP and the runtime say in a request, in php-fpm's form: "PHP message: " before what PHP logs, messages to the web
 * server joined by "; ", and each of them in the worker's own stderr as well. php-cgi sends the bare text with a newline,
 * to the web server alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "php-types.h"
#include "runtime.h"

static long (*ini_long)(const char *, size_t, int);
static void (*log_elsewhere)(const char *, int);
static bool has_told_client; /* something, in this request */
/* As under php-fpm, the web server gets them with the next piece of the answer: nginx makes a line of what comes at once. */
static struct {
    uint8_t header[8]; /* room for the record's */
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
    waiting_length = 0; /* first: sending is writing, which comes here */
    if (length > 0) tsfpm_worker_write_stderr(waiting.header, length);
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

void tsfpm_message_to_client(const char *front, const char *text)
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

void tsfpm_message(const char *level, const char *front, const char *text)
{
    const struct iovec line[] = {piece(level), piece(front), piece(text), piece("\n")};
    ssize_t written = writev(STDERR_FILENO, line, sizeof line / sizeof *line);
    (void)written; /* nobody is left to tell */
    tsfpm_message_to_client(front, text);
}

static void on_log(const char *message, int syslog_priority)
{
    if (tsfpm_role == TSFPM_ROLE_WORKER || tsfpm_role == TSFPM_ROLE_SCRIPT_CHILD)
        tsfpm_message("NOTICE: ", "PHP message: ", message);
    else log_elsewhere(message, syslog_priority);
}

void tsfpm_messages_prepare(void)
{
    struct sapi_module *sapi = tsfpm_sapi_module();
    *(void **)&ini_long = dlsym(RTLD_DEFAULT, "zend_ini_long");
    if (sapi == NULL) return;
    log_elsewhere = sapi->log_message;
    sapi->log_message = on_log;
}
