#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "descriptors.h"
#include "events.h"
#include "frame.h"
#include "libc.h"
#include "pass-descriptor.h"
#include "scoreboard.h"

static int control_fd;

static uint8_t *command;      /* header and payload of the frame that is being received */
static size_t command_length; /* bytes of it that are here */
static size_t command_capacity;
static int came_along = -1; /* a descriptor */

void tsfpm_control_begin(void)
{
    control_fd = tsfpm_descriptor_move_up(TSFPM_FD_CONTROL);
    tsfpm_events_watch(control_fd, TSFPM_SOURCE_CONTROL, 0, false);
}

void tsfpm_control_send(enum tsfpm_frame_type type, int32_t slot, int32_t pid, const void *payload, size_t length)
{
    if (tsfpm_frame_send(control_fd, type, slot, pid, payload, length) != 0) tsfpm_scoreboard_drain();
}

void tsfpm_control_send_ready(void)
{
    if (tsfpm_frame_send_ready(control_fd) != 0) tsfpm_scoreboard_drain();
}

int tsfpm_control_take_descriptor(void)
{
    int descriptor = came_along;
    came_along = -1;
    return descriptor;
}

/* Of a frame that has no use for it. */
static void forget_descriptor(void)
{
    int descriptor = tsfpm_control_take_descriptor();
    if (descriptor >= 0) tsfpm_libc()->close(descriptor);
}

enum tsfpm_control_state tsfpm_control_receive(struct tsfpm_frame *frame, const uint8_t **payload)
{
    for (;;) {
        size_t wanted = sizeof *frame;
        if (command_length >= sizeof *frame) {
            memcpy(frame, command, sizeof *frame);
            if (frame->version != TSFPM_CONTROL_VERSION || frame->length > TSFPM_FRAME_PAYLOAD_MAX)
                tsfpm_die("the master speaks another control protocol");
            wanted += frame->length;
            if (command_length == wanted) {
                command_length = 0;
                *payload = command + sizeof *frame;
                return TSFPM_CONTROL_FRAME;
            }
        }
        if (wanted > command_capacity) {
            command = realloc(command, wanted);
            if (command == NULL) tsfpm_die("no memory for a command of %zu bytes", wanted);
            command_capacity = wanted;
        }
        uint8_t *rest = command + command_length;
        int descriptor;
        ssize_t length = tsfpm_receive_with_descriptor(control_fd, rest, wanted - command_length, &descriptor);
        if (length > 0) {
            if (descriptor >= 0) {
                forget_descriptor();
                came_along = descriptor;
            }
            command_length += (size_t)length;
        } else if (length == 0 || (errno != EINTR && errno != EAGAIN)) {
            tsfpm_events_unwatch(control_fd);
            return TSFPM_CONTROL_GONE;
        } else if (errno == EAGAIN) {
            return TSFPM_CONTROL_WAIT;
        }
    }
}
