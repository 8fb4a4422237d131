#define _GNU_SOURCE
#include "ask.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "control.h"
#include "libc.h"
#include "pass-descriptor.h"

/* The master answers within milliseconds; one that has gone never does. */
#define PATIENCE_MS 3000

static int channel = -1;
static uint32_t last_id; /* a late answer to an earlier question is told apart by it */

void tsfpm_ask_begin(int channel_fd)
{
    channel = channel_fd;
}

void tsfpm_ask_end(void)
{
    if (channel >= 0) tsfpm_libc()->close(channel);
    channel = -1;
}

void tsfpm_ask_tell(enum tsfpm_question_kind what)
{
    struct tsfpm_question question = {.kind = (uint8_t)what};
    /* A full channel means that the zygote has yet to read earlier packets, and is about to read it anyway. */
    send(channel, &question, sizeof question, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int64_t now_ms(void)
{
    return (int64_t)(tsfpm_clock_ns(CLOCK_MONOTONIC) / 1000000);
}

static bool ask(enum tsfpm_question_kind kind, bool is_head, const char *text, size_t length)
{
    uint8_t packet[TSFPM_QUESTION_MAX];
    struct tsfpm_question question = {.kind = (uint8_t)kind, .is_head = is_head, .id = ++last_id};
    if (length > sizeof packet - sizeof question) length = sizeof packet - sizeof question;
    memcpy(packet, &question, sizeof question);
    if (length > 0) memcpy(packet + sizeof question, text, length);
    return send(channel, packet, sizeof question + length, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

/*
 * The next packet of the answer to the last question, and the descriptor that may come with it. Returns its length, or
 * -1 where none comes in time.
 */
static ssize_t await(uint8_t *packet, size_t size, int64_t deadline, int *descriptor)
{
    for (;;) {
        struct pollfd fds = {.fd = channel, .events = POLLIN};
        int64_t left = deadline - now_ms();
        if (left <= 0) return -1;
        int ready = tsfpm_libc()->poll(&fds, 1, (int)left);
        if (ready < 0 && errno != EINTR) return -1;
        if (ready <= 0) continue;
        *descriptor = -1;
        ssize_t received = tsfpm_receive_with_descriptor(channel, packet, size, descriptor);
        if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR)) return -1;
        struct tsfpm_answer_part part = {0};
        if (received >= (ssize_t)sizeof part) memcpy(&part, packet, sizeof part);
        if (part.id == last_id) return received;
        if (*descriptor >= 0) tsfpm_libc()->close(*descriptor);
    }
}

bool tsfpm_ask(enum tsfpm_question_kind kind, bool is_head, const char *text, size_t length,
               tsfpm_ask_receiver receiver, void *context)
{
    uint8_t packet[sizeof(struct tsfpm_answer_part) + TSFPM_ANSWER_PACKET];
    struct tsfpm_answer_part part;
    if (!ask(kind, is_head, text, length)) return false;
    int64_t deadline = now_ms() + PATIENCE_MS;
    do {
        int descriptor;
        ssize_t received = await(packet, sizeof packet, deadline, &descriptor);
        if (received < 0) return false;
        if (descriptor >= 0) tsfpm_libc()->close(descriptor);
        memcpy(&part, packet, sizeof part);
        if (!receiver(context, packet + sizeof part, (size_t)received - sizeof part)) return false;
    } while (!part.is_last);
    return true;
}

int tsfpm_ask_keeper(void)
{
    uint8_t packet[sizeof(struct tsfpm_answer_part)];
    int descriptor = -1;
    if (!ask(TSFPM_QUESTION_KEEPER, false, NULL, 0)) return -1;
    if (await(packet, sizeof packet, now_ms() + PATIENCE_MS, &descriptor) < 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (descriptor < 0 && errno == 0) errno = ENOENT;
    return descriptor;
}
