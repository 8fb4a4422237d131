/* Frames on their way to the master, from a zygote or a template. */
#ifndef TSFPM_FRAME_H
#define TSFPM_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "control.h"

/* One frame, whole. Blocks while the master is busy. Returns 0, or -1 with errno where the master has gone. */
int tsfpm_frame_send(int fd, enum tsfpm_frame_type type, int32_t slot, int32_t pid, const void *payload, size_t length);

/* The READY frame, with what the master wants to know of this PHP. Ends the process without a loaded runtime. */
int tsfpm_frame_send_ready(int fd);

#endif
