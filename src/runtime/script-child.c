/*
 * The child that a script forks shares the client's connection with its parent, the worker that answers. It may write
 * to the client on purpose: what it echoes and flushes is sent, as long as the request is not over. Nothing else is:
 * when it ends, PHP would send what is in its buffers, a copy of what its parent will send, then END_REQUEST, and shut
 * down the connection that both share. What it writes later would be in the answer of the next request on a kept
 * connection.
 */
#define _GNU_SOURCE
#include "script-child.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "client.h"
#include "libc.h"
#include "php.h"

/* What a child writes beyond this is sent without a flush: bytes. */
#define KEPT_MOST (8u * 1024 * 1024)

bool tsfpm_client_is_shared;

static void (*php_flush)(void *);
static bool is_flushing;
static uint32_t *requests_over; /* of a worker, in memory that its scripts' children share; NULL: it never had any */
static uint32_t requests_over_at_fork;
static bool was_answered_at_fork; /* by fastcgi_finish_request() */
static struct {
    uint8_t *bytes; /* what the child has written and not flushed, whole records */
    size_t length;
} kept;

void tsfpm_script_child_before_fork(bool is_answered)
{
    tsfpm_client_is_shared = true;
    was_answered_at_fork = is_answered;
    if (requests_over == NULL) {
        void *page = mmap(NULL, sizeof *requests_over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return; /* then nothing of the child is sent */
        requests_over = page;
    }
    requests_over_at_fork = __atomic_load_n(requests_over, __ATOMIC_RELAXED);
}

void tsfpm_script_child_begin(void)
{
    is_flushing = false; /* PHP leaves a flush by longjmp() where it finds that the client has gone */
    tsfpm_role = TSFPM_ROLE_SCRIPT_CHILD;
}

void tsfpm_script_children_lose_client(void)
{
    if (requests_over != NULL) __atomic_add_fetch(requests_over, 1, __ATOMIC_SEQ_CST);
}

static bool has_client(void)
{
    return requests_over != NULL && !was_answered_at_fork &&
           __atomic_load_n(requests_over, __ATOMIC_SEQ_CST) == requests_over_at_fork;
}

static void send_kept(void)
{
    for (size_t sent = 0; sent < kept.length && has_client();) {
        ssize_t written = tsfpm_libc()->write(tsfpm_connection, kept.bytes + sent, kept.length - sent);
        if (written < 0 && errno != EINTR) break;
        if (written > 0) sent += (size_t)written;
    }
    kept.length = 0;
}

static bool keep(const void *bytes, size_t length)
{
    if (length > KEPT_MOST - kept.length) return false;
    uint8_t *grown = realloc(kept.bytes, kept.length + length);
    if (grown == NULL) return false;
    memcpy(grown + kept.length, bytes, length);
    kept.bytes = grown;
    kept.length += length;
    return true;
}

static void flush(void *server_context)
{
    if (tsfpm_role == TSFPM_ROLE_SCRIPT_CHILD) send_kept();
    is_flushing = true;
    php_flush(server_context);
    is_flushing = false;
}

void tsfpm_script_child_prepare(void)
{
    struct sapi_module *sapi = tsfpm_sapi_module();
    if (sapi == NULL || sapi->flush == NULL) return;
    php_flush = sapi->flush;
    sapi->flush = flush;
}

/* php-cgi writes whole records: those of a flush at once, others when its buffer is full, and at the end. */
ssize_t tsfpm_script_child_write(const void *buffer, size_t size)
{
    if (!has_client() || (!is_flushing && keep(buffer, size))) return (ssize_t)size;
    send_kept();
    return tsfpm_libc()->write(tsfpm_connection, buffer, size);
}

int tsfpm_script_child_close(void)
{
    int fd = tsfpm_connection;
    tsfpm_connection = -1;
    return tsfpm_libc()->close(fd);
}
