#define _GNU_SOURCE
#include "pass-descriptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for one exactly: the kernel closes what more came, and says so. CMSG_SPACE would have room for two. */
#define ONE_DESCRIPTOR CMSG_LEN(sizeof(int))

int tsfpm_send_with_descriptor(int socket_fd, const void *bytes, size_t size, int descriptor)
{
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof descriptor)] = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = space;
        message.msg_controllen = sizeof space;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = ONE_DESCRIPTOR;
        memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
    }
    ssize_t sent;
    do sent = sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

ssize_t tsfpm_receive_with_descriptor(int socket_fd, void *bytes, size_t size, int *descriptor)
{
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = ONE_DESCRIPTOR};
    ssize_t received;
    *descriptor = -1;
    do received = recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0) return received;
    const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
        rights->cmsg_len == ONE_DESCRIPTOR)
        memcpy(descriptor, CMSG_DATA(rights), sizeof *descriptor);
    errno = 0;
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) return received;
    int error = *descriptor < 0 && (message.msg_flags & MSG_CTRUNC) != 0 ? EMFILE : EMSGSIZE;
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
    errno = error;
    return received;
}
