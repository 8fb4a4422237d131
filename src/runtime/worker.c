/*
 * A worker: php-cgi's ordinary FastCGI loop, with the calls it makes on the client's connection served from here.
 *
 * php-cgi reads a request in many small pieces, which input.c serves, and then lingers until the client closes. The
 * runtime follows the record headers just far enough to know when the client has sent everything: then nothing can come
 * any more and the connection is closed at once.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "access-log.h"
#include "allowed-clients.h"
#include "ask.h"
#include "client.h"
#include "gone-client.h"
#include "input.h"
#include "keeper-link.h"
#include "kept-connection.h"
#include "leave.h"
#include "libc.h"
#include "next-client.h"
#include "own-slot.h"
#include "request.h"
#include "script-child.h"
#include "signals.h"
#include "timeout.h"
#include "turn.h"

static bool was_ready; /* has reached accept */

void tsfpm_worker_begin(uint32_t slot_index, int listen_fd, int channel_fd)
{
    tsfpm_ask_begin(channel_fd);
    tsfpm_timeout_begin();
    tsfpm_listen_fd = listen_fd;
    tsfpm_kept_connection_prepare(slot_index);
    tsfpm_own_slot_start(slot_index);
}

bool tsfpm_worker_ends_in_order(void)
{
    return tsfpm_phase_is(TSFPM_PHASE_BIT(NO_CLIENT));
}

/* ---- accept ---- */

/* In a pool without a keeper that is one call. The worker counts as idle by now, so whoever hands over looks at it. */
static int take_client(struct sockaddr_storage *client, socklen_t *length)
{
    if (tsfpm_keeper_is_in_use()) return tsfpm_next_client(client, length);
    return accept4(tsfpm_listen_fd, (struct sockaddr *)client, length, SOCK_CLOEXEC);
}

/*
 * Returns -1 where this worker is to leave. The listening socket is shared by all workers, and the zygote, a script or
 * another process may have made it non-blocking: the worker waits all the same. An error that says that the socket is
 * gone makes it leave.
 */
static int accept_client(struct sockaddr *address, socklen_t *length)
{
    while (!tsfpm_must_leave()) {
        struct sockaddr_storage client = {0};
        socklen_t client_length = sizeof client;
        uint64_t from_ns = tsfpm_gone_client_clock();
        int fd = take_client(&client, &client_length);
        bool is_permitted = fd >= 0 && tsfpm_allowed_clients_permit(&client);
        if (is_permitted && tsfpm_gone_client_is(fd, &client, from_ns)) {
            tsfpm_libc()->close(fd);
            tsfpm_count_gone();
        } else if (is_permitted) {
            tsfpm_access_log_client(&client);
            memcpy(address, &client, client_length < *length ? client_length : *length);
            *length = client_length;
            return fd;
        } else if (fd >= 0) {
            tsfpm_allowed_clients_tell(&client);
            tsfpm_libc()->close(fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd waiting = {.fd = tsfpm_listen_fd, .events = POLLIN | POLLRDHUP};
            int patience_ms = tsfpm_keeper_is_in_use() ? 0 : 1000; /* with a keeper, take_client() waits */
            /* It was shut down: of a unix socket that does not block, accept does not tell that. */
            if (tsfpm_libc()->poll(&waiting, 1, patience_ms) > 0 && (waiting.revents & (POLLRDHUP | POLLHUP)) != 0)
                tsfpm_is_leaving = 1;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            tsfpm_libc()->poll(NULL, 0, 20); /* the machine is short of something; the client waits in the queue */
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            tsfpm_is_leaving = 1;
        } /* otherwise: a signal, or the client has gone before it was accepted */
    }
    return -1;
}

int tsfpm_worker_accept(struct sockaddr *address, socklen_t *length)
{
    if (!was_ready) tsfpm_signals_obey();
    uint64_t now_ns = tsfpm_request_none(TSFPM_STAGE_ACCEPTING);
    tsfpm_count_idle();
    tsfpm_turn_may_end(now_ns);
    if (!was_ready) {
        was_ready = true;
        tsfpm_count_ready();
        tsfpm_ask_tell(TSFPM_QUESTION_STARTED);
    }
    int fd = accept_client(address, length);
    if (tsfpm_count_not_idle(fd >= 0)) tsfpm_ask_tell(TSFPM_QUESTION_TAKEN);
    tsfpm_own_slot_stage(fd < 0 ? TSFPM_STAGE_FINISHED : TSFPM_STAGE_READING_HEADERS);
    if (fd < 0) {
        errno = EBADF; /* anything but EINTR and ECONNABORTED ends php-cgi's loop */
        return -1;
    }
    tsfpm_connection = fd;
    tsfpm_client_is_let_go = false;
    tsfpm_enter_phase(TSFPM_PHASE_CONNECTED);
    tsfpm_input_begin();
    tsfpm_kept_connection_begin();
    return fd;
}

/* ---- close ---- */

int tsfpm_worker_shutdown(int how)
{
    if (tsfpm_input_is_complete()) return 0;
    return tsfpm_libc()->shutdown(tsfpm_connection, how);
}

/* php-cgi reads and discards until the client closes. Here only until the client's request is complete. */
ssize_t tsfpm_worker_drain(void)
{
    tsfpm_client_is_let_go = false; /* only the close is to come */
    tsfpm_enter_phase(TSFPM_PHASE_DRAINED);
    tsfpm_input_drain();
    return 0;
}

int tsfpm_worker_close(void)
{
    /*
     * php-cgi closes what it meant to keep: it is about to leave. Or this worker is, and the end of a request that was
     * answered with a page is still to come.
     */
    if (tsfpm_phase_is(TSFPM_PHASE_BIT(ANSWERED) | TSFPM_PHASE_BIT(PAGE_ANSWERED)) &&
        tsfpm_kept_connection_is_to_go() && tsfpm_input_end_request())
        tsfpm_kept_connection_give();
    bool is_given = tsfpm_kept_connection_is_given();
    /* php-cgi does not drain a connection that it meant to keep, or its last one: the answer could be lost. */
    bool is_answered = tsfpm_phase_is(TSFPM_PHASES_ANSWERED | TSFPM_PHASE_BIT(PAGE_ANSWERED));
    if (!is_given && (tsfpm_client_is_let_go || is_answered)) tsfpm_worker_drain();
    int fd = tsfpm_connection;
    tsfpm_connection = -1;
    tsfpm_enter_phase(TSFPM_PHASE_NO_CLIENT);
    tsfpm_script_children_lose_client();
    /* A client may wait for the end of it. */
    if (tsfpm_client_is_shared && !is_given) tsfpm_libc()->shutdown(fd, SHUT_RDWR);
    tsfpm_client_is_shared = false;
    return tsfpm_libc()->close(fd);
}
