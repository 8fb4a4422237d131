/*
 * request_terminate_timeout: the end of a request that takes too long, and of its worker.
 *
 * The master watches the scoreboard. It tells the worker by a signal, whose value is the start time of the request
 * that is to end; the worker obeys only while it has that very request in hand. Then it answers 504 where it can, and
 * ends itself by SIGTERM, as php-fpm's workers end. Only async-signal-safe calls are made here: the signal may
 * interrupt PHP anywhere. The watch over PHP's own limits of time sends the same signal (time-limit.c).
 */
#define _GNU_SOURCE
#include "timeout.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "control.h"
#include "fastcgi.h"
#include "input.h"
#include "libc.h"
#include "messages.h"
#include "request-phase.h"
#include "time-limit.h"

/* How long a client may go on sending its request, so that it sees the answer; the master waits 1 s. */
#define LISTEN_MS 300
#define PAUSE_MS 5

static const char page[] = "Status: 504 Gateway Timeout\r\n"
                           "Content-Type: text/plain;charset=UTF-8\r\n"
                           "Cache-Control: no-store\r\n\r\n"
                           "504 Gateway Timeout: the request took too long and was ended.\n";

/* What the script has said so far, one STDOUT record, its empty end, END_REQUEST: in one call, so that none is cut. */
static void answer(uint16_t id)
{
    const size_t length = sizeof page - 1, padded = length + tsfpm_padding_of(length);
    uint8_t bytes[2 * FCGI_HEADER_LEN + sizeof page - 1 + TSFPM_PADDING_MOST + TSFPM_END_REQUEST_LEN] = {0};
    uint8_t *at = bytes;
    tsfpm_make_padded_record(at, FCGI_STDOUT, id, (uint16_t)length);
    memcpy(at += FCGI_HEADER_LEN, page, length);
    tsfpm_make_record(at += padded, FCGI_STDOUT, id, 0);
    tsfpm_make_end_request(at += FCGI_HEADER_LEN, id);
    struct iovec pieces[] = {tsfpm_messages_take(),
                             tsfpm_piece(bytes, (size_t)(at - bytes) + TSFPM_END_REQUEST_LEN)};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    sendmsg(tsfpm_connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_time_out(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    if (info->si_code == SI_TIMER) {
        int saved_errno = errno;
        tsfpm_time_limit_fires();
        errno = saved_errno;
        return;
    }
    uint64_t start_ns = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
    if (tsfpm_role != TSFPM_ROLE_WORKER || start_ns == 0 || start_ns != tsfpm_request_start_ns) return;
    if (tsfpm_connection >= 0) {
        if (tsfpm_phase_is(TSFPM_PHASES_UNANSWERED) && !tsfpm_response_has_begun) {
            answer(tsfpm_request_id);
            tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
            /* Where a connection is closed with something unread, the client may lose the answer. */
            const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000l};
            for (int waited_ms = 0; waited_ms < LISTEN_MS && !tsfpm_input_take_rest(); waited_ms += PAUSE_MS)
                nanosleep(&pause, NULL);
        }
        /* Programs that the script started may have the connection open: for the client it ends now all the same. */
        tsfpm_libc()->shutdown(tsfpm_connection, SHUT_RDWR);
    }
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigaction(SIGTERM, &plain, NULL);
    kill(getpid(), SIGTERM);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    _exit(143); /* not reached */
}

void tsfpm_timeout_begin(void)
{
    struct sigaction ours = {.sa_sigaction = on_time_out, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigfillset(&ours.sa_mask);
    sigaction(TSFPM_TIME_OUT_SIGNAL, &ours, NULL);
    tsfpm_time_limit_begin();
}
