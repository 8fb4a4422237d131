/*
 * A line that a request printed without its newline ends with the request: php-fpm's workers write a mark after each
 * request. Here a worker writes one only where there may be such a line, since a mark wakes zygote and master: where
 * its pipes hold anything, or where the zygote has noted in the worker's slot that what it has read last had no
 * newline.
 */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc.h"
#include "scoreboard.h"

bool tsfpm_output_is_possible;

static struct tsfpm_slot *own_slot; /* NULL: its output is not caught */

void tsfpm_output_begin(uint32_t slot, bool is_caught)
{
    if (is_caught) {
        own_slot = tsfpm_scoreboard_slot(slot);
    } else {
        dup2(STDIN_FILENO, STDOUT_FILENO);
        dup2(STDIN_FILENO, STDERR_FILENO);
    }
}

void tsfpm_output_request_ends(void)
{
    if (!tsfpm_output_is_possible) return;
    tsfpm_output_is_possible = false;
    if (own_slot == NULL) return;
    for (int stream = 0; stream < 2; stream++) {
        int unread = 0;
        /* In this order: the zygote sets open_output before it reads from the pipe. */
        bool is_in_pipe = ioctl(stream + 1, FIONREAD, &unread) == 0 && unread > 0;
        if (!is_in_pipe && __atomic_load_n(&own_slot->open_output[stream], __ATOMIC_SEQ_CST) == 0) continue;
        ssize_t written = tsfpm_libc()->write(stream + 1, TSFPM_OUTPUT_END, TSFPM_OUTPUT_END_LENGTH);
        (void)written; /* a script may have closed it */
    }
}

/*
 * PHP resolves symbolic links by itself before it opens a file. The target of a link in /proc/PID/fd that leads to a
 * pipe is no path but the text "pipe:[INODE]", and PHP asks for a file of that name in the folder of the link.
 */
int tsfpm_output_open(const char *path, int flags)
{
    static const char *const names[] = {"/proc/self/fd/1", "/proc/self/fd/2"};
    int pid;
    unsigned long long inode;
    if (strncmp(path, "/proc/", 6) == 0 && sscanf(path, "/proc/%d/fd/pipe:[%llu]", &pid, &inode) == 2 &&
        pid == getpid()) {
        for (int stream = 0; stream < 2; stream++) {
            struct stat status;
            if (fstat(stream + 1, &status) != 0 || !S_ISFIFO(status.st_mode) || status.st_ino != inode) continue;
            return tsfpm_libc()->open(names[stream], flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW));
        }
    }
    errno = ENOENT;
    return -1;
}

/* Ends in a newline or in a mark. */
static bool is_ended(const char *text, size_t length)
{
    if (text[length - 1] == '\n') return true;
    return length >= TSFPM_OUTPUT_END_LENGTH &&
           memcmp(text + length - TSFPM_OUTPUT_END_LENGTH, TSFPM_OUTPUT_END, TSFPM_OUTPUT_END_LENGTH) == 0;
}

long tsfpm_output_read(uint32_t slot, int stream, int fd, char *buffer, size_t size)
{
    uint8_t *is_open = &tsfpm_scoreboard_slot(slot)->open_output[stream];
    uint8_t before = __atomic_exchange_n(is_open, 1, __ATOMIC_SEQ_CST);
    ssize_t length = tsfpm_libc()->read(fd, buffer, size);
    uint8_t after = length <= 0 ? before : is_ended(buffer, (size_t)length) ? 0 : 1;
    __atomic_store_n(is_open, after, __ATOMIC_SEQ_CST);
    return length;
}
