/*
 * Forks that are not the zygote's own. There are two:
 *
 *   opcache's preloading   while php-cgi starts: its child becomes opcache.preload_user and runs the script of a tenant.
 *                          Control channel, scoreboard, listening socket and stand-in are open at that moment.
 *   a script's pcntl_fork  in a worker: its child has the client's connection in common with the worker that answers.
 *
 * The handler runs in each such child before fork() returns there. It is no hook of fork(): extensions that are loaded
 * with RTLD_DEEPBIND, as opcache is up to PHP 8.4, call libc's own. Programs that are started by vfork or posix_spawn
 * are not forks; our descriptors are closed for them on exec.
 *
 * A script's child may talk to the client on purpose: what it echoes and flushes is sent, as long as the request is not
 * over. Nothing else of it is: at its end PHP would send what the child has in its buffers, a copy of what its parent will
 * send, then END_REQUEST, and shut the connection that both share. What it says later would be in the answer of the next
 * request on a kept connection.
 */
#define _GNU_SOURCE
#include "foreign-fork.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "descriptors.h"
#include "libc.h"
#include "php.h"
#include "scoreboard.h"
#include "signals.h"
#include "worker.h"

/* A script's child that says so much means it: it is not kept until a flush. Bytes. */
#define KEPT_MOST (8u * 1024 * 1024)

bool tsfpm_is_forking_worker;
bool tsfpm_client_is_shared;

static void (*php_flush)(void *);
static bool is_flushing;
static uint32_t *requests_over; /* of a worker, in memory that its scripts' children share; NULL: it never had any */
static uint32_t requests_over_at_fork;
static bool was_answered_at_fork; /* by fastcgi_finish_request() */
static struct {
    uint8_t *bytes; /* what a script's child has said and not flushed, whole records */
    size_t length;
} kept;

static void give_up_start(void)
{
    for (int fd = TSFPM_FD_CONTROL; fd <= TSFPM_FD_LIBRARY; fd++) tsfpm_libc()->close(fd);
    /* Descriptor 0 is the stand-in; a child that finds it closed would get it with its next file. */
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, TSFPM_FD_STAND_IN) < 0) tsfpm_libc()->close(TSFPM_FD_STAND_IN);
    if (null > TSFPM_FD_STAND_IN) tsfpm_libc()->close(null);
}

static void before(void)
{
    if (tsfpm_role != TSFPM_ROLE_WORKER) return;
    tsfpm_client_is_shared = true;
    was_answered_at_fork = tsfpm_worker_has_answered_early();
    if (requests_over == NULL) {
        void *page = mmap(NULL, sizeof *requests_over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return; /* then nothing of the child is sent */
        requests_over = page;
    }
    requests_over_at_fork = __atomic_load_n(requests_over, __ATOMIC_RELAXED);
}

/* Only async-signal-safe calls: PHP may have threads. */
static void in_child(void)
{
    if (tsfpm_is_forking_worker) return;
    switch (tsfpm_role) {
    case TSFPM_ROLE_NONE:
    case TSFPM_ROLE_SCRIPT_CHILD: return; /* has nothing */
    case TSFPM_ROLE_STARTING:
    case TSFPM_ROLE_ARMED:
        give_up_start(); /* signals stay held: one that ended this child would end the start of its pool */
        tsfpm_role = TSFPM_ROLE_NONE;
        break;
    case TSFPM_ROLE_ZYGOTE:
        tsfpm_descriptors_close_own();
        tsfpm_signals_release();
        tsfpm_role = TSFPM_ROLE_NONE;
        break;
    case TSFPM_ROLE_WORKER:
        tsfpm_worker_close_descriptors();
        is_flushing = false; /* PHP leaves a flush by a jump where it finds that the client has gone */
        tsfpm_role = TSFPM_ROLE_SCRIPT_CHILD;
        break;
    }
    tsfpm_scoreboard_hide();
}

void tsfpm_foreign_fork_start(void)
{
    int error = pthread_atfork(before, NULL, in_child);
    if (error != 0) tsfpm_die("pthread_atfork: error %d", error);
}

/* ---- a script's child ---- */

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
