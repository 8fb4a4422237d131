#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

int tsfpm_control_send(int fd, uint16_t type, int32_t slot, int32_t pid, const void *head, size_t head_length,
                       const void *body, size_t body_length)
{
    struct tsfpm_frame frame = {
        .length = (uint32_t)(head_length + body_length),
        .type = type,
        .version = TSFPM_CONTROL_VERSION,
        .slot = slot,
        .pid = pid,
    };
    struct iovec parts[3] = {
        {.iov_base = &frame, .iov_len = sizeof frame},
        {.iov_base = (void *)head, .iov_len = head_length},
        {.iov_base = (void *)body, .iov_len = body_length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
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
