#define _GNU_SOURCE
#include "frame.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libc.h"
#include "php.h"

int tsfpm_frame_send(int fd, enum tsfpm_frame_type type, int32_t slot, int32_t pid, const void *payload,
                     size_t length)
{
    struct tsfpm_frame frame = {
        .length = (uint32_t)length,
        .type = (uint16_t)type,
        .version = TSFPM_CONTROL_VERSION,
        .slot = slot,
        .pid = pid,
    };
    struct iovec parts[2] = {
        {.iov_base = &frame, .iov_len = sizeof frame},
        {.iov_base = (void *)payload, .iov_len = length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            return -1;
        }
        while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
            sent -= (ssize_t)message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
            message.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return 0;
}

int tsfpm_frame_send_ready(int fd)
{
    if (tsfpm_php_version == NULL) tsfpm_die("PHP has not loaded the runtime as an extension");
    char facts[TSFPM_READY_MAX];
    int length = snprintf(facts, sizeof facts, "%c%s%c%s%c%s", tsfpm_php_is_exposed(), tsfpm_php_version, 0,
                          tsfpm_php_ini_file(), 0, tsfpm_php_ini_scanned());
    if (length >= (int)sizeof facts) length = sizeof facts - 1;
    return tsfpm_frame_send(fd, TSFPM_FRAME_READY, -1, getpid(), facts, (size_t)length);
}
