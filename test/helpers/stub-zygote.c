/*
 * A zygote that lies: it speaks the control protocol as ours does, and calls the process of any number its worker, which
 * it says has been in a script for a minute. Compiled by a test, which writes a pid and an act into the file ORDER.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "scoreboard.h"

#ifndef ORDER
#error "-DORDER=\"path\""
#endif

static void say(uint16_t type, int32_t slot, int32_t pid, const char *payload, uint32_t length)
{
    struct tsfpm_frame frame = {length, type, TSFPM_CONTROL_VERSION, slot, pid};
    if (write(TSFPM_FD_CONTROL, &frame, sizeof frame) != (ssize_t)sizeof frame) exit(1);
    if (length > 0 && write(TSFPM_FD_CONTROL, payload, length) != (ssize_t)length) exit(1);
}

static void hear(void *bytes, size_t length)
{
    for (size_t got = 0; got < length;) {
        ssize_t more = read(TSFPM_FD_CONTROL, (char *)bytes + got, length - got);
        if (more <= 0) exit(0); /* the master has gone */
        got += (size_t)more;
    }
}

static void pretend_to_execute(int32_t slot)
{
    struct stat st;
    if (fstat(TSFPM_FD_SCOREBOARD, &st) != 0) exit(1);
    char *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, TSFPM_FD_SCOREBOARD, 0);
    if (map == MAP_FAILED) exit(1);
    struct tsfpm_slot *its = (struct tsfpm_slot *)(map + TSFPM_HEADER_SIZE) + slot;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    its->stage = TSFPM_STAGE_EXECUTING;
    its->request_start_ns = ((uint64_t)now.tv_sec - 60) * 1000000000u;
}

static void lie(int32_t slot)
{
    int pid = 0;
    char act[16] = "";
    for (FILE *order; pid == 0; usleep(10000)) {
        if ((order = fopen(ORDER, "r")) == NULL) continue;
        if (fscanf(order, "%d %15s", &pid, act) != 2) pid = 0;
        fclose(order);
    }
    pretend_to_execute(slot);
    say(TSFPM_FRAME_FORKED, slot, pid, NULL, 0);
    if (strcmp(act, "die") == 0) raise(SIGKILL);
    if (strcmp(act, "babble") == 0) say(99, -1, 0, NULL, 0);
    if (strcmp(act, "forge") == 0) say(TSFPM_FRAME_ECHOED, -1, 0, NULL, 0);
    if (strcmp(act, "stop") == 0) raise(SIGSTOP);
}

int main(void)
{
    say(TSFPM_FRAME_READY, -1, getpid(), "\0" "8.2.0\0\0", 8);
    for (;;) {
        struct tsfpm_frame frame;
        hear(&frame, sizeof frame);
        char *payload = malloc(frame.length + 1);
        hear(payload, frame.length);
        free(payload);
        if (frame.type == TSFPM_FRAME_FORK || frame.type == TSFPM_FRAME_FORK_PROBE) lie(frame.slot);
        if (frame.type == TSFPM_FRAME_ECHO) say(TSFPM_FRAME_ECHOED, -1, 0, NULL, 0);
    }
}
