/*
 * A worker: php-cgi's ordinary FastCGI loop, with the calls it makes on the client's connection served from here.
 *
 * php-cgi reads a request in many small pieces and then lingers until the client closes. Here one recv fills a buffer
 * that serves those pieces, and the runtime follows the record headers just far enough to know when the client has
 * sent everything: then nothing can come any more and the connection is closed at once.
 */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "access-log.h"
#include "allowed-clients.h"
#include "ask.h"
#include "control.h"
#include "fastcgi.h"
#include "libc.h"
#include "messages.h"
#include "output.h"
#include "relay.h"
#include "request-body.h"
#include "request-head.h"
#include "request-phase.h"
#include "scoreboard.h"
#include "script-child.h"
#include "script-rules.h"
#include "signals.h"
#include "timeout.h"

/* How long the rest of an unread request is waited for before the connection is closed under it: for more, in all; ns. */
#define DRAIN_SILENCE_NS 2000000000ull
#define DRAIN_LIMIT_NS 10000000000ull
/*
 * While others wait in the queue, or this worker is to leave: how long a kept-alive client must have been idle before it
 * is let go, and how long one that never is may go on; ns. A client that has just been served is likely to be sending
 * its next request, which would be lost (nginx repeats a GET, not a POST).
 */
#define PART_WHEN_IDLE_NS TSFPM_KEPT_ALIVE_GRACE_NS
#define PART_WHEN_BUSY_NS 1000000000ull

/* Upper bounds of slot->duration_buckets: ns. src/scoreboard/layout.ts has the same in seconds. */
static const uint64_t duration_bounds[TSFPM_DURATION_BUCKETS - 1] = {
    1000000,   2500000,   5000000,    10000000,   25000000,   50000000,    100000000,   250000000,
    500000000, 1000000000, 2500000000, 5000000000, 10000000000, 30000000000, 60000000000,
};

int tsfpm_connection = -1;

static int listen_fd = -1;
static struct tsfpm_slot *slot;
static volatile sig_atomic_t leaving;            /* told to end after the present request */
static volatile sig_atomic_t waiting_kept_alive; /* nothing in hand, on a kept-alive connection */

#define RECEIVE_AT_ONCE 65536
static uint8_t input[TSFPM_HEAD_MOST]; /* usually its first pages alone: only a head is received in full before it is read */
static size_t input_start, input_end; /* what is received and not yet read by php-cgi */
static uint8_t head[TSFPM_HEAD_MOST + TSFPM_HEAD_ADDED]; /* a request's head that php-cgi reads instead of what was sent */
static size_t head_start, head_end;
static bool input_eof;

/* Where in the client's stream of records php-cgi's reading stands. */
static struct {
    uint8_t header[FCGI_HEADER_LEN];
    uint8_t header_length;
    uint8_t type;
    uint16_t content; /* bytes still to come of the record */
    uint8_t padding;
    bool stdin_ended; /* the client has sent all of its request */
    uint8_t flags;    /* of its BEGIN_REQUEST */
} stream;

static bool connection_used;        /* php-cgi has read something of this connection */
static bool client_may_be_gone;     /* and it is not PHP's business for now */
static bool let_go;                 /* nothing more is read from this client */
static uint32_t params_length;      /* bytes of the request's parameters: all, and those that fit in the slot */
static uint32_t params_kept;
static uint64_t contended_since_ns; /* this client has been in the way since then; 0: it is not */
static uint64_t cpu_ns_at_last_end;
static int yield_pause_ms; /* 1 to 4, different from worker to worker */
static bool was_ready;     /* has reached accept */
static uint64_t requests_left; /* 0: no limit, or is_spent */
static bool is_spent;          /* it has had all the requests that it may have */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_stage(enum tsfpm_stage stage)
{
    tsfpm_slot_begin(slot);
    slot->stage = stage;
    tsfpm_slot_end(slot);
}

static uint64_t become_idle(enum tsfpm_stage stage)
{
    if (tsfpm_signals_are_changed) tsfpm_signals_restore();
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    tsfpm_slot_begin(slot);
    slot->stage = stage;
    slot->idle_since_ns = now;
    tsfpm_slot_end(slot);
    tsfpm_request_start_ns = 0;
    return now;
}

static bool must_leave(void)
{
    return leaving || is_spent || __atomic_load_n(&tsfpm_scoreboard->draining, __ATOMIC_RELAXED) != 0 ||
           __atomic_load_n(&slot->leave, __ATOMIC_RELAXED) != 0;
}

/* ---- the way out ---- */

/*
 * The worker may be anywhere, also between a look at `leaving` and the call that would block. So besides setting the
 * flag this makes the blocking call fail: accept on a descriptor that is closed, recv on a direction that is shut.
 * Data that the client has already sent on a kept-alive connection is still received. Only async-signal-safe calls.
 */
void tsfpm_worker_leave(void)
{
    leaving = 1;
    if (listen_fd >= 0) {
        int fd = listen_fd;
        listen_fd = -1;
        tsfpm_libc()->close(fd);
    }
    if (waiting_kept_alive && tsfpm_connection >= 0) tsfpm_libc()->shutdown(tsfpm_connection, SHUT_RD);
}

bool tsfpm_worker_ends_in_order(void)
{
    return tsfpm_phase_is(TSFPM_PHASE_BIT(NO_CLIENT));
}

void tsfpm_worker_begin(uint32_t slot_index, int listen, int channel)
{
    tsfpm_ask_begin(channel);
    tsfpm_timeout_begin();
    listen_fd = listen;
    yield_pause_ms = 1 + (int)(slot_index % 4);
    slot = tsfpm_scoreboard_slot(slot_index);
    tsfpm_slot_begin(slot);
    slot->pid = getpid();
    slot->stage = TSFPM_STAGE_STARTING;
    slot->start_ns = clock_ns(CLOCK_MONOTONIC);
    slot->start_epoch_us = clock_ns(CLOCK_REALTIME) / 1000;
    tsfpm_slot_end(slot);
    cpu_ns_at_last_end = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void tsfpm_worker_close_descriptors(void)
{
    if (listen_fd >= 0) tsfpm_libc()->close(listen_fd);
    listen_fd = -1;
    tsfpm_ask_end();
}

/* ---- requests, as PHP tells of them ---- */

/* php-cgi counts for itself, and does not see the pages: with them this comes first. */
void tsfpm_worker_limit_requests(const char *most)
{
    requests_left = most == NULL ? 0 : strtoul(most, NULL, 10);
}

void tsfpm_worker_has_no_script(void)
{
    tsfpm_slot_begin(slot);
    slot->has_no_script = 1;
    tsfpm_slot_end(slot);
}

void tsfpm_worker_request_starts(void)
{
    set_stage(TSFPM_STAGE_EXECUTING);
}

void tsfpm_worker_request_ends(uint64_t memory_peak)
{
    uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    tsfpm_slot_begin(slot);
    slot->stage = TSFPM_STAGE_FINISHED;
    slot->finished++;
    uint64_t duration = clock_ns(CLOCK_MONOTONIC) - slot->request_start_ns;
    size_t bucket = 0;
    while (bucket < TSFPM_DURATION_BUCKETS - 1 && duration > duration_bounds[bucket]) bucket++;
    slot->request_duration_ns = duration;
    slot->duration_sum_ns += duration;
    slot->duration_buckets[bucket]++;
    slot->request_cpu_ns = cpu_ns - cpu_ns_at_last_end;
    slot->request_memory = memory_peak;
    if (memory_peak > slot->memory_peak) slot->memory_peak = memory_peak;
    tsfpm_slot_end(slot);
    cpu_ns_at_last_end = cpu_ns;
    if (requests_left > 0 && --requests_left == 0) is_spent = true;
    bool is_answered = tsfpm_phase_is(TSFPM_PHASES_ANSWERED_EARLY);
    tsfpm_enter_phase(is_answered ? TSFPM_PHASE_SHUT_DOWN_ANSWERED : TSFPM_PHASE_SHUT_DOWN);
    tsfpm_output_request_ends();
    tsfpm_access_log_request_ends(slot->request_start_epoch_us, duration, memory_peak);
}

/* ---- the client's stream ---- */

static void request_arrives(void)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    /* The end of the body of a request that a page has answered is no request. */
    if (!tsfpm_phase_is(TSFPM_PHASE_BIT(PAGE_ANSWERED)))
        tsfpm_enter_phase(tsfpm_phase_is(TSFPM_PHASES_ANSWERED) ? TSFPM_PHASE_NEXT_ARRIVED : TSFPM_PHASE_ARRIVED);
    tsfpm_request_start_ns = now;
    tsfpm_slot_begin(slot);
    slot->stage = TSFPM_STAGE_READING_HEADERS;
    slot->request_start_ns = now;
    slot->request_start_epoch_us = clock_ns(CLOCK_REALTIME) / 1000;
    tsfpm_slot_end(slot);
}

static void request_begins(uint16_t id)
{
    /* One that is pipelined behind another was not waited for. */
    if (tsfpm_signals_are_changed) tsfpm_signals_restore();
    if (!tsfpm_phase_is(TSFPM_PHASES_ARRIVED)) request_arrives();
    tsfpm_request_id = id;
    tsfpm_response_has_begun = 0;
    tsfpm_enter_phase(TSFPM_PHASE_RUNNING);
    params_length = params_kept = 0;
    tsfpm_messages_request_starts();
    tsfpm_request_body_starts();
    tsfpm_slot_begin(slot);
    slot->accepted++;
    slot->has_no_script = 0;
    slot->params_length = 0;
    slot->params_total = 0;
    tsfpm_slot_end(slot);
}

static void keep_params(const uint8_t *bytes, size_t count)
{
    /* Whoever owns a sibling worker can write to the slot at any moment: lengths are never read back from it. */
    size_t fits = TSFPM_PARAMS_SIZE - params_kept < count ? TSFPM_PARAMS_SIZE - params_kept : count;
    tsfpm_slot_begin(slot);
    memcpy(slot->params + params_kept, bytes, fits);
    params_kept += (uint32_t)fits;
    params_length += (uint32_t)count;
    slot->params_length = params_kept;
    slot->params_total = params_length;
    tsfpm_slot_end(slot);
}

static void record_begins(bool tell)
{
    stream.type = tsfpm_record_type(stream.header);
    stream.content = tsfpm_record_content(stream.header);
    stream.padding = tsfpm_record_padding(stream.header);
    if (stream.type == FCGI_BEGIN_REQUEST) {
        stream.stdin_ended = false;
        if (tell) request_begins(tsfpm_record_id(stream.header));
    } else if (stream.type == FCGI_PARAMS && stream.content == 0) {
        if (tell) set_stage(TSFPM_STAGE_INFO);
    } else if ((stream.type == FCGI_STDIN && stream.content == 0) || stream.type == FCGI_ABORT_REQUEST) {
        stream.stdin_ended = true;
    }
}

/* The client may send BEGIN_REQUEST byte by byte. */
static void note_flags(const uint8_t *bytes, size_t count)
{
    size_t consumed = FCGI_BEGIN_REQUEST_BODY_LEN - (size_t)stream.content; /* php-cgi refuses one of another length */
    if (consumed <= FCGI_FLAGS_AT && count > FCGI_FLAGS_AT - consumed) stream.flags = bytes[FCGI_FLAGS_AT - consumed];
}

/* Follows the records in bytes that php-cgi reads (`tell`), or that it will not read any more. */
static void follow(const uint8_t *bytes, size_t count, bool tell)
{
    while (count > 0) {
        size_t step;
        if (stream.content > 0) {
            step = count < stream.content ? count : stream.content;
            if (tell && stream.type == FCGI_PARAMS) keep_params(bytes, step);
            if (stream.type == FCGI_BEGIN_REQUEST) note_flags(bytes, step);
            stream.content -= (uint16_t)step;
        } else if (stream.padding > 0) {
            step = count < stream.padding ? count : stream.padding;
            stream.padding -= (uint8_t)step;
        } else {
            step = FCGI_HEADER_LEN - stream.header_length;
            if (step > count) step = count;
            memcpy(stream.header + stream.header_length, bytes, step);
            stream.header_length += (uint8_t)step;
            if (stream.header_length == FCGI_HEADER_LEN) {
                stream.header_length = 0;
                record_begins(tell);
            }
        }
        bytes += step;
        count -= step;
    }
}

static bool at_record_start(void)
{
    return stream.header_length == 0 && stream.content == 0 && stream.padding == 0;
}

/* Fills the empty buffer. Returns what recv does. */
static ssize_t receive(int flags)
{
    ssize_t received;
    do received = tsfpm_libc()->recv(tsfpm_connection, input, RECEIVE_AT_ONCE, flags);
    while (received < 0 && errno == EINTR && !(leaving && waiting_kept_alive));
    input_start = 0;
    input_end = received > 0 ? (size_t)received : 0;
    if (received == 0) input_eof = true;
    return received;
}

/* ---- hooks ---- */

static void note_lowest_idle(int32_t idle)
{
    int32_t lowest = __atomic_load_n(&tsfpm_scoreboard->lowest_idle, __ATOMIC_RELAXED);
    while (idle < lowest && !__atomic_compare_exchange_n(&tsfpm_scoreboard->lowest_idle, &lowest, idle, true,
                                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/* This worker has something in hand: keeps the most that ever had at once. */
static void note_active(void)
{
    int32_t active = __atomic_load_n(&tsfpm_scoreboard->ready, __ATOMIC_RELAXED) -
                     __atomic_load_n(&tsfpm_scoreboard->idle, __ATOMIC_RELAXED) -
                     __atomic_load_n(&tsfpm_scoreboard->waiting, __ATOMIC_RELAXED);
    int32_t most = __atomic_load_n(&tsfpm_scoreboard->max_active, __ATOMIC_RELAXED);
    while (active > most && !__atomic_compare_exchange_n(&tsfpm_scoreboard->max_active, &most, active, true,
                                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

/*
 * Waits for a client. The listening socket is shared by all workers: whatever a script or another process may have
 * done to its flags, a worker waits on. An error that says that the socket is gone makes php-cgi's loop end.
 */
int tsfpm_worker_accept(struct sockaddr *address, socklen_t *length)
{
    int fd = -1;
    if (!was_ready) tsfpm_signals_obey();
    become_idle(TSFPM_STAGE_ACCEPTING);
    __atomic_add_fetch(&tsfpm_scoreboard->idle, 1, __ATOMIC_SEQ_CST);
    if (!was_ready) {
        was_ready = true;
        __atomic_add_fetch(&tsfpm_scoreboard->ready, 1, __ATOMIC_RELAXED);
        tsfpm_ask_tell(TSFPM_QUESTION_STARTED);
    }
    while (!must_leave()) {
        struct sockaddr_storage client = {0};
        socklen_t client_length = sizeof client;
        fd = accept4(listen_fd, (struct sockaddr *)&client, &client_length, SOCK_CLOEXEC);
        if (fd >= 0 && tsfpm_allowed_clients_permit(&client)) {
            tsfpm_access_log_client(&client);
            memcpy(address, &client, client_length < *length ? client_length : *length);
            *length = client_length;
            break;
        }
        if (fd >= 0) {
            tsfpm_allowed_clients_tell(&client);
            tsfpm_libc()->close(fd);
            fd = -1;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd waiting = {.fd = listen_fd, .events = POLLIN | POLLRDHUP};
            /* Somebody has shut it down: of a unix socket that does not block nothing else tells. */
            if (tsfpm_libc()->poll(&waiting, 1, 1000) > 0 && (waiting.revents & (POLLRDHUP | POLLHUP)) != 0)
                leaving = 1;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            tsfpm_libc()->poll(NULL, 0, 20); /* the machine is short of something; the client waits in the queue */
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            leaving = 1;
        } /* else: a signal, or that one connection broke before it was accepted */
    }
    int32_t idle = __atomic_sub_fetch(&tsfpm_scoreboard->idle, 1, __ATOMIC_SEQ_CST);
    if (fd >= 0) {
        if (idle < (int64_t)__atomic_load_n(&tsfpm_scoreboard->armed, __ATOMIC_SEQ_CST) &&
            __atomic_exchange_n(&tsfpm_scoreboard->armed, 0, __ATOMIC_SEQ_CST) != 0)
            tsfpm_ask_tell(TSFPM_QUESTION_TAKEN);
        note_lowest_idle(idle);
        note_active();
    }
    set_stage(fd < 0 ? TSFPM_STAGE_FINISHED : TSFPM_STAGE_READING_HEADERS);
    if (fd < 0) {
        errno = EBADF; /* anything but EINTR and ECONNABORTED ends php-cgi's loop */
        return -1;
    }
    tsfpm_connection = fd;
    input_start = input_end = head_start = head_end = 0;
    input_eof = false;
    memset(&stream, 0, sizeof stream);
    connection_used = let_go = false;
    tsfpm_enter_phase(TSFPM_PHASE_CONNECTED);
    contended_since_ns = 0;
    return fd;
}

/* php-cgi waits here for a new client's first byte. Data is usually there: receive it instead of asking. */
int tsfpm_worker_poll(struct pollfd *fds, int timeout_ms)
{
    if (input_start == input_end && !input_eof && receive(MSG_DONTWAIT) < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK) input_eof = true;
        else {
            int ready = tsfpm_libc()->poll(fds, 1, timeout_ms);
            if (ready > 0) request_arrives();
            return ready;
        }
    }
    request_arrives();
    fds[0].revents = POLLIN;
    return 1;
}

/* Clients are in the queue, and no worker is about to take them. */
static bool others_wait(short listen_events)
{
    return listen_events != 0 && __atomic_load_n(&tsfpm_scoreboard->idle, __ATOMIC_RELAXED) <= 0;
}

/*
 * A connection waits for its next request: this worker is idle. It lets the client go, which FastCGI allows at any time
 * between requests, when it is told to leave, and when others wait in the queue while no worker is free. A drain tells
 * it by a signal, from the zygote. Returns true when there may be something to receive.
 */
static bool wait_for_next_request(void)
{
    struct pollfd fds[2] = {{.fd = tsfpm_connection, .events = POLLIN}, {.fd = listen_fd, .events = POLLIN}};
    bool arrived = false;
    uint64_t idle_since_ns = become_idle(TSFPM_STAGE_WAITING);
    __atomic_add_fetch(&tsfpm_scoreboard->waiting, 1, __ATOMIC_RELAXED);
    waiting_kept_alive = 1;
    while (!leaving && !arrived) {
        fds[0].revents = fds[1].revents = 0;
        int ready = tsfpm_libc()->poll(fds, 2, -1);
        if (ready < 0) continue; /* a signal: look whether it means us */
        bool contended = others_wait(fds[1].revents);
        if (!contended) contended_since_ns = 0;
        else if (contended_since_ns == 0) contended_since_ns = clock_ns(CLOCK_MONOTONIC);
        arrived = fds[0].revents != 0;
        if (arrived) break;
        /*
         * Somebody waits. A worker in accept is about to take it, or this client is about to send: some time for both.
         * Workers wait for different times so that they do not all let their clients go for one that waits.
         */
        int pause_ms = yield_pause_ms;
        uint64_t idle_ns = clock_ns(CLOCK_MONOTONIC) - idle_since_ns;
        if (contended && idle_ns < PART_WHEN_IDLE_NS) pause_ms += (int)((PART_WHEN_IDLE_NS - idle_ns) / 1000000u);
        ready = tsfpm_libc()->poll(fds, 1, pause_ms);
        arrived = ready > 0;
        fds[1].revents = 0;
        if (ready == 0 && contended && tsfpm_libc()->poll(&fds[1], 1, 0) > 0 && others_wait(fds[1].revents)) break;
    }
    /* The last look: what has arrived is served, whatever the reason to stop waiting was. */
    if (!arrived) arrived = tsfpm_libc()->poll(fds, 1, 0) > 0;
    waiting_kept_alive = 0;
    __atomic_sub_fetch(&tsfpm_scoreboard->waiting, 1, __ATOMIC_RELAXED);
    if (arrived) note_active();
    return arrived;
}

/* Returns what the hook of read returns when nothing more comes: php-cgi takes a 0 for the end only while errno is 0. */
static ssize_t end_of_stream(void)
{
    errno = 0;
    return 0;
}

/*
 * A client that always has a next request would keep others waiting, or this worker alive, for ever. The end of an
 * answer is the moment to let it go: unless it pipelines, or is very quick, it has not sent that request yet.
 */
static bool is_time_to_part(void)
{
    if (is_spent) return true;
    bool is_leaving = must_leave();
    if (!is_leaving && contended_since_ns == 0) return false;
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (contended_since_ns == 0) contended_since_ns = now;
    if (now - contended_since_ns < PART_WHEN_BUSY_NS) return false;
    struct pollfd fds = {.fd = listen_fd, .events = POLLIN};
    return is_leaving || (tsfpm_libc()->poll(&fds, 1, 0) > 0 && others_wait(fds.revents));
}

/* ---- pages that the master makes ---- */

static bool write_all(const uint8_t *bytes, size_t length)
{
    tsfpm_response_has_begun = 1;
    while (length > 0) {
        ssize_t written = tsfpm_libc()->write(tsfpm_connection, bytes, length);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* A piece of the master's answer becomes a STDOUT record. */
static bool pass_on(void *context, const uint8_t *bytes, size_t length)
{
    uint8_t header[FCGI_HEADER_LEN];
    if (length == 0) return true;
    tsfpm_access_log_page_answer(bytes, length);
    tsfpm_make_record(header, FCGI_STDOUT, *(const uint16_t *)context, (uint16_t)length);
    return write_all(header, sizeof header) && write_all(bytes, length);
}

/* Receives behind what is in the buffer. Returns false at the client's end, or when the buffer is full. */
static bool receive_more(void)
{
    memmove(input, input + input_start, input_end - input_start);
    input_end -= input_start;
    input_start = 0;
    if (input_end == sizeof input || input_eof) return false;
    ssize_t received;
    do received = tsfpm_libc()->recv(tsfpm_connection, input + input_end, sizeof input - input_end, 0);
    while (received < 0 && errno == EINTR);
    if (received > 0) input_end += (size_t)received;
    else input_eof = true;
    return received > 0;
}

/*
 * Answers a request for the status or ping page, which is next in the buffer, in place of php-cgi, which does not see
 * it. Returns false where the request is any other.
 */
static bool answer_page(void)
{
    static const char unavailable[] = "Status: 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\n"
                                      "Internal error. Please review log file for errors.";
    struct tsfpm_relay_request request;
    enum tsfpm_relay_match match;
    do match = tsfpm_relay_match(input + input_start, input_end - input_start, &request);
    while (match == TSFPM_RELAY_INCOMPLETE && receive_more());
    if (match != TSFPM_RELAY_YES) return false;
    tsfpm_access_log_page_starts(input + input_start, request.length);
    /* Only the page tells of it, which names a script that is there, as php-fpm's does. */
    bool has_script = tsfpm_finds_script(request.script, request.script_length, tsfpm_script_rules());
    follow(input + input_start, request.length, true);
    input_start += request.length;
    connection_used = true;
    tsfpm_worker_request_starts();
    if (!has_script) tsfpm_worker_has_no_script();
    if (!tsfpm_ask(request.kind, request.is_head, request.query, request.query_length, pass_on, &request.id))
        pass_on(&request.id, (const uint8_t *)unavailable, sizeof unavailable - 1);
    uint8_t end[TSFPM_END_REQUEST_LEN];
    tsfpm_make_end_request(end, request.id);
    tsfpm_worker_request_ends(0);
    write_all(end, sizeof end);
    tsfpm_enter_phase(TSFPM_PHASE_PAGE_ANSWERED);
    tsfpm_request_start_ns = 0;
    let_go = !request.keeps_connection || is_time_to_part();
    if (let_go) tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
    return true;
}

/* The body of a request that was answered with a page is nobody's. Returns false where the buffer ends within it. */
static bool skip_body(void)
{
    while (!stream.stdin_ended || !at_record_start()) {
        size_t here = input_end - input_start;
        size_t step = (size_t)stream.content + stream.padding;
        if (step == 0) step = FCGI_HEADER_LEN - stream.header_length;
        if (step > here) step = here;
        if (step == 0) return false;
        follow(input + input_start, step, false);
        input_start += step;
    }
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
    bool is_too_long = verdict == TSFPM_HEAD_REFUSED || (verdict == TSFPM_HEAD_INCOMPLETE && !input_eof);
    if (is_too_long)
        dprintf(STDERR_FILENO, "ERROR: a request's params are more than %u bytes; its connection is closed\n",
                TSFPM_HEAD_MOST);
    return !is_too_long;
}

/* What comes next in the buffer is not for php-cgi; the buffer may be empty then. */
static bool is_served_here(void)
{
    if (tsfpm_phase_is(TSFPM_PHASE_BIT(PAGE_ANSWERED)) && !skip_body()) return true;
    if (tsfpm_phase_is(TSFPM_PHASES_IN_REQUEST) || !at_record_start()) return false;
    if (tsfpm_relay_is_wanted() && answer_page()) return true;
    let_go = !prepare_head();
    return let_go;
}

/* Takes from what stands for a head, or from what was received. Returns the number of bytes. */
static size_t take_input(void *buffer, size_t size)
{
    bool from_head = head_start < head_end;
    const uint8_t *from = from_head ? head + head_start : input + input_start;
    size_t there = from_head ? head_end - head_start : input_end - input_start;
    size_t step = there < size ? there : size;
    memcpy(buffer, from, step);
    follow(from, step, true);
    *(from_head ? &head_start : &input_start) += step;
    return step;
}

ssize_t tsfpm_worker_read(void *buffer, size_t size)
{
    if (size == 0) return end_of_stream(); /* the content of an empty record */
    do {
        if (let_go) return end_of_stream();
        if (head_start < head_end) break;
        /* The client said that its body ends, and php-cgi would wait for what CONTENT_LENGTH promised, for ever. */
        bool in_request = tsfpm_phase_is(TSFPM_PHASES_IN_REQUEST);
        if (in_request && stream.stdin_ended && at_record_start()) return end_of_stream();
        if (input_start == input_end) {
            if (tsfpm_role != TSFPM_ROLE_WORKER) return end_of_stream(); /* what comes is for the script's parent */
            bool next_request = connection_used && !in_request && at_record_start();
            if (input_eof || (next_request && !wait_for_next_request())) return end_of_stream();
            ssize_t received = receive(0);
            if (received == 0) return end_of_stream();
            if (received < 0) return received;
            if (next_request) request_arrives();
        }
    } while (is_served_here());
    connection_used = true;
    return (ssize_t)take_input(buffer, size);
}

void tsfpm_worker_hide_broken_connection(bool hide)
{
    client_may_be_gone = hide;
}

void tsfpm_worker_write_stderr(uint8_t record[], size_t length)
{
    if (!tsfpm_phase_is(TSFPM_PHASES_UNANSWERED) || tsfpm_role != TSFPM_ROLE_WORKER) return;
    tsfpm_make_record(record, FCGI_STDERR, tsfpm_request_id, (uint16_t)length);
    sig_atomic_t has_begun = tsfpm_response_has_begun;
    /* Once it is whole, a message is no part of the answer. */
    if (write_all(record, FCGI_HEADER_LEN + length)) tsfpm_response_has_begun = has_begun;
}

bool tsfpm_worker_may_answer_early(void)
{
    /* php-fpm's later calls are true for as long as the connection is open. */
    if (tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING_ANSWERED))) return (stream.flags & FCGI_KEEP_CONN) != 0;
    return tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING));
}

bool tsfpm_worker_has_answered_early(void)
{
    return tsfpm_phase_is(TSFPM_PHASES_ANSWERED_EARLY);
}

void tsfpm_worker_answer_early(void)
{
    if (!tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING))) return;
    tsfpm_messages_send();
    tsfpm_script_children_lose_client();
    uint8_t end[TSFPM_END_REQUEST_LEN];
    tsfpm_make_end_request(end, tsfpm_request_id);
    write_all(end, sizeof end);
    tsfpm_enter_phase(TSFPM_PHASE_RUNNING_ANSWERED);
    /* The client is to see the end, whatever this request goes on with; what it still sends is received. */
    if ((stream.flags & FCGI_KEEP_CONN) == 0) tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
    set_stage(TSFPM_STAGE_FINISHED);
}

/*
 * php-cgi writes END_REQUEST as the last record of an answer, after PHP's request shutdown and after reading what it
 * wants of the body. If it leaves a part of a record unread, older versions would take that for the next record.
 */
ssize_t tsfpm_worker_write(const void *buffer, size_t size)
{
    tsfpm_messages_send(); /* between records: PHP runs no script while it writes one in pieces */
    tsfpm_response_has_begun = 1;
    bool is_end = tsfpm_phase_is(TSFPM_PHASES_SHUT_DOWN) && tsfpm_ends_with_end_request(buffer, size);
    if (is_end) tsfpm_script_children_lose_client();
    bool goes_nowhere = tsfpm_phase_is(TSFPM_PHASES_ANSWERED_EARLY);
    ssize_t written = goes_nowhere ? (ssize_t)size : tsfpm_libc()->write(tsfpm_connection, buffer, size);
    if (written < 0 && errno != EINTR && client_may_be_gone) written = (ssize_t)size;
    if (!is_end || written != (ssize_t)size) return written;
    tsfpm_enter_phase(TSFPM_PHASE_ANSWERED);
    tsfpm_request_start_ns = 0; /* the client may be sending its next request already */
    let_go = !at_record_start() || is_time_to_part();
    if (let_go) tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
    return written;
}

/* All that the client had to send is here: closing loses nothing and resets nobody. */
static bool all_received(void)
{
    follow(head + head_start, head_end - head_start, false);
    follow(input + input_start, input_end - input_start, false);
    input_start = input_end = head_start = head_end = 0;
    return input_eof || (stream.stdin_ended && at_record_start());
}

/* In a signal handler, before the end: touches nothing that it may have interrupted but the buffer. */
bool tsfpm_worker_take_rest(void)
{
    ssize_t received = -1;
    if (stream.stdin_ended && input_start == input_end) return true;
    for (int tries = 0; tries < 64; tries++) {
        received = tsfpm_libc()->recv(tsfpm_connection, input, sizeof input, MSG_DONTWAIT);
        if (received <= 0) break;
    }
    return received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR);
}

int tsfpm_worker_shutdown(int how)
{
    if (all_received()) return 0;
    return tsfpm_libc()->shutdown(tsfpm_connection, how);
}

/*
 * php-cgi reads and discards until the client closes. Here only until the client's request is complete, or for a
 * bounded time: a client that neither sends nor closes does not keep the worker.
 */
ssize_t tsfpm_worker_drain(void)
{
    uint64_t end_ns = 0, silence_end_ns = 0;
    let_go = false;
    tsfpm_enter_phase(TSFPM_PHASE_DRAINED);
    while (!all_received()) {
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
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
    return 0;
}

int tsfpm_worker_close(void)
{
    /* php-cgi does not, of a connection that it meant to keep, nor after its last request: the answer would be lost. */
    if (let_go || tsfpm_phase_is(TSFPM_PHASES_ANSWERED)) tsfpm_worker_drain();
    int fd = tsfpm_connection;
    tsfpm_connection = -1;
    tsfpm_enter_phase(TSFPM_PHASE_NO_CLIENT);
    tsfpm_script_children_lose_client();
    if (tsfpm_client_is_shared) tsfpm_libc()->shutdown(fd, SHUT_RDWR); /* a client may wait for the end of it */
    tsfpm_client_is_shared = false;
    return tsfpm_libc()->close(fd);
}
