/*
 * php-cgi reads a request in many small pieces. Here one recv fills a buffer that serves those pieces, while the
 * stream of records is followed (stream.c). Two kinds of requests do not reach php-cgi as they were sent: those for a
 * page are answered by the runtime, and some heads are written anew (request-head.c).
 */
#define _GNU_SOURCE
#include "input.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "clock.h"
#include "kept-connection.h"
#include "libc.h"
#include "page-answer.h"
#include "page-request.h"
#include "request-head.h"
#include "request.h"
#include "script-rules.h"
#include "stream.h"

/* How long the rest of an unread request is waited for before its connection is closed: for more, in all; ns. */
#define DRAIN_SILENCE_NS 2000000000ull
#define DRAIN_LIMIT_NS 10000000000ull

#define RECEIVE_AT_ONCE 65536

/* Received and not yet read: from start to end. Mostly its first pages alone are used; a long head fills more. */
static uint8_t input[TSFPM_HEAD_MOST];
static size_t input_start, input_end;
static bool input_is_at_end; /* the client sends no more */
/* A request's head that php-cgi reads instead of what was sent. */
static uint8_t head[TSFPM_HEAD_MOST + TSFPM_HEAD_ADDED];
static size_t head_start, head_end;

static bool connection_is_used; /* php-cgi has read something of it, or a page was answered */

void tsfpm_input_begin(void)
{
    input_start = input_end = head_start = head_end = 0;
    input_is_at_end = connection_is_used = false;
    tsfpm_stream_begin();
}

/* ---- receiving ---- */

/* Fills the empty buffer. Returns what recv does. */
static ssize_t receive(int flags)
{
    ssize_t received;
    do received = tsfpm_libc()->recv(tsfpm_connection, input, RECEIVE_AT_ONCE, flags);
    while (received < 0 && errno == EINTR);
    input_start = 0;
    input_end = received > 0 ? (size_t)received : 0;
    if (received == 0) input_is_at_end = true;
    return received;
}

/* Receives behind what is in the buffer. Returns false at the client's end, or when the buffer is full. */
static bool receive_more(void)
{
    memmove(input, input + input_start, input_end - input_start);
    input_end -= input_start;
    input_start = 0;
    if (input_end == sizeof input || input_is_at_end) return false;
    ssize_t received;
    do received = tsfpm_libc()->recv(tsfpm_connection, input + input_end, sizeof input - input_end, 0);
    while (received < 0 && errno == EINTR);
    if (received > 0) input_end += (size_t)received;
    else input_is_at_end = true;
    return received > 0;
}

/* Data is usually there: it is received instead of asked for. */
int tsfpm_input_poll(struct pollfd *fds, int timeout_ms)
{
    if (input_start == input_end && !input_is_at_end && receive(MSG_DONTWAIT) < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) input_is_at_end = true;
        else {
            int ready = tsfpm_libc()->poll(fds, 1, timeout_ms);
            if (ready > 0) tsfpm_request_arrives();
            return ready;
        }
    }
    tsfpm_request_arrives();
    fds[0].revents = POLLIN;
    return 1;
}

/* ---- what is not for php-cgi ---- */

/* Returns false where the request that is next in the buffer is not for a page. */
static bool answer_page(void)
{
    struct tsfpm_page_request request;
    enum tsfpm_page_match match;
    do match = tsfpm_page_match(input + input_start, input_end - input_start, &request);
    while (match == TSFPM_PAGE_INCOMPLETE && receive_more());
    if (match != TSFPM_PAGE_YES) return false;
    tsfpm_answer_page(input + input_start, &request);
    input_start += request.length;
    connection_is_used = true;
    return true;
}

/* What is here of the request that was answered, up to its last record. */
static void skip_records(void)
{
    while (input_start < input_end && !(tsfpm_stream_is_complete() && tsfpm_stream_is_between_records())) {
        size_t here = input_end - input_start, step = tsfpm_stream_rest();
        if (step > here) step = here;
        tsfpm_stream_skip(input + input_start, step);
        input_start += step;
    }
}

/* Nobody reads the body of a request that was answered with a page. Returns false where the buffer ends within it. */
static bool skip_body(void)
{
    skip_records();
    if (!tsfpm_stream_is_complete()) return false;
    tsfpm_enter_phase(TSFPM_PHASE_CONNECTED);
    return input_start < input_end;
}

/* Before php-cgi reads a head. Returns false where it must not: then the connection ends. */
static bool prepare_head(void)
{
    size_t taken;
    enum tsfpm_head_verdict verdict;
    head_start = head_end = 0;
    do verdict = tsfpm_head_look(input + input_start, input_end - input_start, tsfpm_script_rules(), head, sizeof head,
                                 &taken, &head_end);
    while (verdict == TSFPM_HEAD_INCOMPLETE && receive_more());
    if (verdict == TSFPM_HEAD_REWRITTEN) input_start += taken;
    else head_end = 0;
    bool is_too_long = verdict == TSFPM_HEAD_REFUSED || (verdict == TSFPM_HEAD_INCOMPLETE && !input_is_at_end);
    if (is_too_long)
        dprintf(STDERR_FILENO, "ERROR: a request's params are more than %u bytes; its connection is closed\n",
                TSFPM_HEAD_MOST);
    return !is_too_long;
}

/* Whether what comes next in the buffer is not for php-cgi; the buffer may be empty then. */
static bool is_served_here(void)
{
    if (tsfpm_phase_is(TSFPM_PHASE_BIT(PAGE_ANSWERED)) && !skip_body()) return true;
    if (tsfpm_phase_is(TSFPM_PHASES_IN_REQUEST) || !tsfpm_stream_is_between_records()) return false;
    if (tsfpm_pages_are_wanted() && answer_page()) return true;
    tsfpm_client_is_let_go = !prepare_head();
    return tsfpm_client_is_let_go;
}

/* ---- reading ---- */

/* What the hook of read returns when nothing more comes: php-cgi takes a 0 for the end only while errno is 0. */
static ssize_t end_of_stream(void)
{
    errno = 0;
    return 0;
}

/* Takes from what stands for a head, or from what was received. Returns the number of bytes. */
static size_t take(void *buffer, size_t size)
{
    bool from_head = head_start < head_end;
    const uint8_t *from = from_head ? head + head_start : input + input_start;
    size_t there = from_head ? head_end - head_start : input_end - input_start;
    size_t step = there < size ? there : size;
    memcpy(buffer, from, step);
    tsfpm_stream_follow(from, step);
    *(from_head ? &head_start : &input_start) += step;
    return step;
}

ssize_t tsfpm_input_read(void *buffer, size_t size)
{
    if (size == 0) return end_of_stream(); /* the content of an empty record */
    do {
        if (tsfpm_client_is_let_go) return end_of_stream();
        if (head_start < head_end) break;
        bool is_in_request = tsfpm_phase_is(TSFPM_PHASES_IN_REQUEST);
        /* The client said that its body ends, and php-cgi would wait for what CONTENT_LENGTH promised, for ever. */
        if (is_in_request && tsfpm_stream_is_complete()) return end_of_stream();
        if (input_start == input_end) {
            if (tsfpm_role != TSFPM_ROLE_WORKER) return end_of_stream(); /* the rest is for the worker that forked it */
            bool is_next = connection_is_used && !is_in_request && tsfpm_stream_is_between_records();
            if (input_is_at_end || (is_next && !tsfpm_wait_for_next_request())) return end_of_stream();
            ssize_t received = receive(0);
            if (received == 0) return end_of_stream();
            if (received < 0) return received;
            if (is_next) tsfpm_request_arrives();
        }
    } while (is_served_here());
    connection_is_used = true;
    return (ssize_t)take(buffer, size);
}

/* ---- before the close ---- */

/* Receives what is missing of a record and not a byte more, which would be whoever's goes on with the connection. */
static bool receive_rest_of_record(void)
{
    struct pollfd fds = {.fd = tsfpm_connection, .events = POLLIN};
    uint64_t end_ns = tsfpm_clock_ns(CLOCK_MONOTONIC) + DRAIN_SILENCE_NS;
    int ready;
    /* Signals come again and again to a worker that is to leave. */
    do ready = tsfpm_libc()->poll(&fds, 1, (int)(DRAIN_SILENCE_NS / 1000000u));
    while (ready < 0 && errno == EINTR && tsfpm_clock_ns(CLOCK_MONOTONIC) < end_ns);
    if (ready <= 0) return false;
    size_t rest = tsfpm_stream_rest(), most = rest < sizeof input ? rest : sizeof input;
    ssize_t received = tsfpm_libc()->recv(tsfpm_connection, input, most, MSG_DONTWAIT);
    if (received > 0) tsfpm_stream_skip(input, (size_t)received);
    return received > 0;
}

bool tsfpm_input_end_request(void)
{
    if (head_start < head_end || input_is_at_end) return false;
    skip_records(); /* php-cgi leaves the last record of a request to the next one */
    while (input_start == input_end && !(tsfpm_stream_is_complete() && tsfpm_stream_is_between_records()))
        if (!receive_rest_of_record()) return false;
    return input_start == input_end;
}

bool tsfpm_input_is_complete(void)
{
    tsfpm_stream_skip(head + head_start, head_end - head_start);
    tsfpm_stream_skip(input + input_start, input_end - input_start);
    input_start = input_end = head_start = head_end = 0;
    return input_is_at_end || tsfpm_stream_is_complete();
}

/* Bounded: a client that neither sends nor closes does not keep the worker. */
void tsfpm_input_drain(void)
{
    uint64_t end_ns = 0, silence_end_ns = 0;
    while (!tsfpm_input_is_complete()) {
        uint64_t now = tsfpm_clock_ns(CLOCK_MONOTONIC);
        if (end_ns == 0) end_ns = now + DRAIN_LIMIT_NS;
        if (silence_end_ns == 0) silence_end_ns = now + DRAIN_SILENCE_NS;
        if (now >= end_ns || now >= silence_end_ns) break;
        struct pollfd fds = {.fd = tsfpm_connection, .events = POLLIN};
        int ready = tsfpm_libc()->poll(&fds, 1, (int)((silence_end_ns - now) / 1000000u) + 1);
        if (ready < 0 && errno != EINTR) break;
        if (ready <= 0) continue;
        if (receive(MSG_DONTWAIT) >= 0) silence_end_ns = 0;
        else if (errno != EAGAIN) break;
    }
}

/* Touches nothing that the signal may have interrupted but the buffer. */
bool tsfpm_input_take_rest(void)
{
    ssize_t received = -1;
    if (tsfpm_stream.is_complete && input_start == input_end) return true;
    for (int tries = 0; tries < 64; tries++) {
        received = tsfpm_libc()->recv(tsfpm_connection, input, sizeof input, MSG_DONTWAIT);
        if (received <= 0) break;
    }
    return received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR);
}
