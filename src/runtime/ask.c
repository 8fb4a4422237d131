#define _GNU_SOURCE
#include "ask.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "control.h"
#include "libc.h"

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

bool tsfpm_ask(enum tsfpm_question_kind kind, bool is_head, const char *text, size_t length,
               tsfpm_ask_receiver receiver, void *context)
{
    uint8_t packet[sizeof(struct tsfpm_answer_part) + TSFPM_ANSWER_PACKET];
    struct tsfpm_answer_part part;
    if (!ask(kind, is_head, text, length)) return false;
    int64_t deadline = now_ms() + PATIENCE_MS;
    for (;;) {
        struct pollfd fds = {.fd = channel, .events = POLLIN};
        int64_t left = deadline - now_ms();
        if (left <= 0) return false;
        int ready = tsfpm_libc()->poll(&fds, 1, (int)left);
        if (ready < 0 && errno != EINTR) return false;
        if (ready <= 0) continue;
        ssize_t received = tsfpm_libc()->recv(channel, packet, sizeof packet, MSG_DONTWAIT);
        if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR)) return false;
        if (received < (ssize_t)sizeof part) continue;
        memcpy(&part, packet, sizeof part);
        if (part.id != last_id) continue;
        if (!receiver(context, packet + sizeof part, (size_t)received - sizeof part)) return false;
        if (part.is_last) return true;
    }
}
