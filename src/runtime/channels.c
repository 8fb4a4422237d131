/*
 * The zygote's side of the channels: what workers tell and ask goes on to the master, with the worker's name on it, and
 * answers come back. The zygote never waits for a worker: an answer that does not fit into the socket is kept until it
 * does, or until the worker ends.
 */
#define _GNU_SOURCE
#include "channels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access-log.h"
#include "control.h"
#include "descriptors.h"
#include "events.h"
#include "keeper-link.h"
#include "libc.h"
#include "pass-descriptor.h"
#include "scoreboard.h"

/* Packets taken from one worker before the others have their turn. */
#define PACKETS_AT_ONCE 4

static struct channel {
    int fd; /* -1: closed */
    pid_t pid;
    bool has_started;
    bool is_asking; /* its question is with the master */
    uint8_t *answer; /* not yet sent in full, or NULL: id, then bytes */
    size_t answer_length, answer_sent;
} *channels;

static bool is_log_told; /* the master was told of finished requests, and has not said LOGS_READ since */
static bool is_armed;    /* the master has sent ARM, and was not told since */
static bool is_keeper_told; /* the master was told that there should be a keeper */

int tsfpm_channels_prepare(uint32_t slot_count)
{
    channels = calloc((size_t)slot_count + 1, sizeof *channels);
    if (channels == NULL) return -1;
    for (uint32_t i = 0; i < slot_count; i++) channels[i].fd = -1;
    return 0;
}

int tsfpm_channel_make(int ends[2])
{
    int raw[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, raw) != 0) return -1;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, TSFPM_OWN_FDS_FROM);
        int error = errno;
        close(raw[i]);
        errno = error;
    }
    if (ends[0] >= 0 && ends[1] >= 0) return 0;
    int error = errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    errno = error;
    return -1;
}

void tsfpm_channel_open(uint32_t slot, pid_t pid, int fd)
{
    channels[slot] = (struct channel){.fd = fd, .pid = pid};
    tsfpm_events_watch(fd, TSFPM_SOURCE_CHANNEL, slot, false);
}

static void forget_answer(struct channel *channel)
{
    free(channel->answer);
    channel->answer = NULL;
    channel->is_asking = false;
}

void tsfpm_channel_close(uint32_t slot)
{
    struct channel *channel = &channels[slot];
    if (channel->fd < 0) return;
    /* A worker that was forked just now may still hold it: then closing it does not take it out. */
    tsfpm_events_unwatch(channel->fd);
    close(channel->fd);
    channel->fd = -1;
    forget_answer(channel);
}

/* Tells the master that too few workers are idle, once after each ARM. */
static void tell_taken(void)
{
    if (!is_armed) return;
    is_armed = false;
    __atomic_store_n(&tsfpm_scoreboard->armed, 0, __ATOMIC_RELAXED);
    tsfpm_control_send(TSFPM_FRAME_TAKEN, -1, 0, NULL, 0);
}

void tsfpm_channels_arm(uint32_t idle_wanted)
{
    is_armed = idle_wanted != 0;
    __atomic_store_n(&tsfpm_scoreboard->armed, idle_wanted, __ATOMIC_SEQ_CST);
    /* So few may be idle already: the worker that was the last one then found `armed` at 0, and told nobody. */
    if (__atomic_load_n(&tsfpm_scoreboard->idle, __ATOMIC_SEQ_CST) < (int64_t)idle_wanted) tell_taken();
}

/* Tells the master that the rings hold finished requests, once after each LOGS_READ. */
static void tell_logged(void)
{
    if (is_log_told) return;
    is_log_told = true;
    tsfpm_control_send(TSFPM_FRAME_LOGGED, -1, 0, NULL, 0);
}

void tsfpm_channels_logs_read(void)
{
    is_log_told = false;
    /* A worker may have told of one while LOGS_READ was on its way. */
    if (tsfpm_access_log_is_pending()) tell_logged();
}

static void send_answer(uint32_t slot)
{
    struct channel *channel = &channels[slot];
    uint8_t packet[sizeof(struct tsfpm_answer_part) + TSFPM_ANSWER_PACKET];
    const size_t id_size = sizeof(uint32_t);
    while (channel->answer != NULL) {
        size_t left = channel->answer_length - id_size - channel->answer_sent;
        size_t step = left < TSFPM_ANSWER_PACKET ? left : TSFPM_ANSWER_PACKET;
        struct tsfpm_answer_part part = {.is_last = step == left};
        memcpy(&part.id, channel->answer, id_size);
        memcpy(packet, &part, sizeof part);
        memcpy(packet + sizeof part, channel->answer + id_size + channel->answer_sent, step);
        if (send(channel->fd, packet, sizeof part + step, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) {
                tsfpm_events_watch(channel->fd, TSFPM_SOURCE_CHANNEL, slot, true);
                return;
            }
            break; /* the worker has closed its end: SIGCHLD follows, or it is hostile */
        }
        channel->answer_sent += step;
        if (part.is_last) break;
    }
    forget_answer(channel);
    tsfpm_events_watch(channel->fd, TSFPM_SOURCE_CHANNEL, slot, false);
}

void tsfpm_channel_answer(uint32_t slot, const uint8_t *answer, size_t length)
{
    struct channel *channel = &channels[slot];
    if (channel->fd < 0 || !channel->is_asking || channel->answer != NULL || length < sizeof(uint32_t)) return;
    channel->answer = malloc(length);
    if (channel->answer == NULL) {
        channel->is_asking = false; /* the worker stops waiting by itself */
        return;
    }
    memcpy(channel->answer, answer, length);
    channel->answer_length = length;
    channel->answer_sent = 0;
    send_answer(slot);
}

/* A worker that was forked before there was a keeper. Where its channel is full it asks for nothing it can wait for. */
static void answer_with_keeper(const struct channel *channel, uint32_t id)
{
    const struct tsfpm_answer_part part = {.id = id, .is_last = 1};
    tsfpm_send_with_descriptor(channel->fd, &part, sizeof part, tsfpm_keeper_fd);
}

static void on_packet(uint32_t slot, const uint8_t *packet, size_t length)
{
    struct channel *channel = &channels[slot];
    struct tsfpm_question question;
    if (length < sizeof question) return;
    memcpy(&question, packet, sizeof question);
    switch ((enum tsfpm_question_kind)question.kind) {
    case TSFPM_QUESTION_TAKEN: tell_taken(); return;
    case TSFPM_QUESTION_LOGGED: tell_logged(); return;
    case TSFPM_QUESTION_STARTED:
        if (channel->has_started) return;
        channel->has_started = true;
        tsfpm_control_send(TSFPM_FRAME_STARTED, (int32_t)slot, channel->pid, NULL, 0);
        return;
    case TSFPM_QUESTION_KEEPER_WANTED:
        if (!is_keeper_told && tsfpm_keeper_fd < 0) tsfpm_control_send(TSFPM_FRAME_KEEPER_WANTED, -1, 0, NULL, 0);
        is_keeper_told = true;
        return;
    case TSFPM_QUESTION_KEEPER: answer_with_keeper(channel, question.id); return;
    case TSFPM_QUESTION_PING:
    case TSFPM_QUESTION_STATUS:
    case TSFPM_QUESTION_GET_STATUS:
        if (channel->is_asking) return;
        channel->is_asking = true;
        tsfpm_control_send(TSFPM_FRAME_ASKED, (int32_t)slot, channel->pid, packet, length);
        return;
    }
}

void tsfpm_channel_event(uint32_t slot)
{
    struct channel *channel = &channels[slot];
    if (channel->fd < 0) return; /* closed by an earlier event of this round */
    if (channel->answer != NULL) send_answer(slot);
    for (int i = 0; i < PACKETS_AT_ONCE && channel->fd >= 0; i++) {
        uint8_t packet[TSFPM_QUESTION_MAX];
        ssize_t length = tsfpm_libc()->recv(channel->fd, packet, sizeof packet, MSG_DONTWAIT);
        if (length > 0) {
            on_packet(slot, packet, (size_t)length);
        } else {
            /* The worker's end is closed, though it may live on. To keep ours would mean an event at once, for ever. */
            if (length == 0 || (errno != EAGAIN && errno != EINTR)) tsfpm_channel_close(slot);
            return;
        }
    }
}
