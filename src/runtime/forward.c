/*
 * What workers print, on its way to the master. The zygote takes no more of it in a time than the master can log beside
 * its other work; the rest stays in the pipes, and a worker that prints faster waits there, as for any slow reader.
 */
#define _GNU_SOURCE
#include "forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "descriptors.h"
#include "events.h"
#include "output.h"

/*
 * What a line costs besides its bytes, of which the log puts some hundred in front; and a piece, however short: bytes.
 */
#define LINE_COST 128
#define PIECE_COST 128
/*
 * The budget, for all workers of the zygote together: what is added in a second, the most that it holds, and how much
 * of it ends a pause.
 */
#define RATE (8 * 1024 * 1024)
#define MOST_AT_ONCE (512 * 1024)
#define ENOUGH_TO_GO_ON (64 * 1024)

/*
 * How much is read, and how long, of a worker that has ended: bytes, and ns. A program that it has started may have the
 * pipes open, and write for ever.
 */
#define LAST_OUTPUT_LIMIT (1024 * 1024)
#define LAST_OUTPUT_NS 1000000000ull

static struct source {
    pid_t pid;
    int pipes[2];       /* reading ends of its stdout and stderr; -1: closed */
    uint64_t end_ns;    /* the worker has ended then; 0: it has not */
    size_t last_output; /* bytes since */
} *sources;
static int pipes_epoll; /* a set within the zygote's: one call stops the reading of all pipes */
static int64_t budget = MOST_AT_ONCE;
static uint64_t budget_ns; /* as of then */
static bool is_paused;

static uint64_t refill(void)
{
    uint64_t now = tsfpm_clock_ns(CLOCK_MONOTONIC);
    uint64_t elapsed = now - budget_ns < 1000000000u ? now - budget_ns : 1000000000u;
    budget += (int64_t)(elapsed * RATE / 1000000000u);
    if (budget > MOST_AT_ONCE) budget = MOST_AT_ONCE;
    budget_ns = now;
    return now;
}

static void pause_reading(void)
{
    if (is_paused) return;
    is_paused = true;
    tsfpm_events_unwatch(pipes_epoll);
}

int tsfpm_forward_wait_ms(void)
{
    if (!is_paused) return -1;
    refill();
    if (budget < ENOUGH_TO_GO_ON) return (int)((ENOUGH_TO_GO_ON - budget) * 1000 / RATE) + 1;
    is_paused = false;
    tsfpm_events_watch(pipes_epoll, TSFPM_SOURCE_OUTPUT, 0, false);
    return -1;
}

int tsfpm_forward_prepare(uint32_t slot_count)
{
    sources = calloc((size_t)slot_count + 1, sizeof *sources);
    if (sources == NULL) return -1;
    for (uint32_t i = 0; i < slot_count; i++) sources[i].pipes[0] = sources[i].pipes[1] = -1;
    pipes_epoll = tsfpm_descriptor_move_up(epoll_create1(EPOLL_CLOEXEC));
    tsfpm_events_watch(pipes_epoll, TSFPM_SOURCE_OUTPUT, 0, false);
    refill();
    return 0;
}

int tsfpm_forward_open(uint32_t slot, pid_t pid, int out, int err)
{
    sources[slot] = (struct source){.pid = pid, .pipes = {out, err}};
    for (int stream = 0; stream < 2; stream++) {
        struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)stream << 32 | slot};
        if (epoll_ctl(pipes_epoll, EPOLL_CTL_ADD, sources[slot].pipes[stream], &event) != 0) return -1;
    }
    return 0;
}

static void close_pipe(uint32_t slot, int stream)
{
    if (sources[slot].pipes[stream] < 0) return;
    /* A worker that was forked just now may still hold it: then closing it does not take it out. */
    epoll_ctl(pipes_epoll, EPOLL_CTL_DEL, sources[slot].pipes[stream], NULL);
    close(sources[slot].pipes[stream]);
    sources[slot].pipes[stream] = -1;
}

static void send_output(uint32_t slot, char *piece, int stream, size_t length)
{
    piece[0] = (char)(stream + 1);
    tsfpm_control_send(TSFPM_FRAME_OUTPUT, (int32_t)slot, sources[slot].pid, piece, 1 + length);
}

/* Forwards what is there, up to one piece. Returns the number of bytes, 0 when nothing is there, -1 at the end. */
static ssize_t forward(uint32_t slot, int stream)
{
    char piece[1 + TSFPM_OUTPUT_CHUNK];
    ssize_t length = tsfpm_output_read(slot, stream, sources[slot].pipes[stream], piece + 1, sizeof piece - 1);
    if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (length == 0) return -1;
    budget -= PIECE_COST + length;
    const char *end = piece + 1 + length;
    for (const char *at = piece + 1; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) budget -= LINE_COST;
    send_output(slot, piece, stream, (size_t)length);
    return length;
}

void tsfpm_forward_event(void)
{
    struct epoll_event event;
    refill();
    /* One at a time: the kernel returns ready pipes in turn, and one that is not read now keeps its place. */
    while (budget > 0) {
        if (epoll_wait(pipes_epoll, &event, 1, 0) <= 0) return;
        uint32_t slot = (uint32_t)event.data.u64;
        int stream = (int)(event.data.u64 >> 32);
        if (forward(slot, stream) < 0) close_pipe(slot, stream);
        if (is_paused) return;
    }
    pause_reading();
}

static void tell_of_loss(uint32_t slot, int stream)
{
    char piece[] = "?(it printed more than could be logged within a second of its end; the rest is lost)\n";
    send_output(slot, piece, stream, sizeof piece - 2);
}

bool tsfpm_forward_last(uint32_t slot)
{
    struct source *source = &sources[slot];
    for (int stream = 0; stream < 2; stream++) {
        while (source->pipes[stream] >= 0) {
            uint64_t now = refill();
            if (source->end_ns == 0) source->end_ns = now;
            if (now - source->end_ns >= LAST_OUTPUT_NS || source->last_output >= LAST_OUTPUT_LIMIT) {
                int unread = 0;
                if (ioctl(source->pipes[stream], FIONREAD, &unread) == 0 && unread > 0) tell_of_loss(slot, stream);
                close_pipe(slot, stream);
                break;
            }
            if (budget <= 0) {
                pause_reading();
                return false;
            }
            ssize_t length = forward(slot, stream);
            if (length <= 0) close_pipe(slot, stream);
            else source->last_output += (size_t)length;
        }
    }
    return true;
}
