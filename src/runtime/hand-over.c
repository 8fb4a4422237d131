#include "hand-over.h"

#include <errno.h>
#include <unistd.h>

#include "pass-descriptor.h"

int tsfpm_hand_over_send(int socket_fd, int connection)
{
    const struct tsfpm_hand_over body = {.magic = TSFPM_HAND_OVER_MAGIC, .version = TSFPM_HAND_OVER_VERSION};
    return tsfpm_send_with_descriptor(socket_fd, &body, sizeof body, connection);
}

int tsfpm_hand_over_receive(int socket_fd)
{
    struct tsfpm_hand_over body = {0};
    int connection;
    ssize_t received = tsfpm_receive_with_descriptor(socket_fd, &body, sizeof body, &connection);
    if (received < 0) return -1;
    if (connection < 0) {
        if (errno != EMFILE) errno = EPROTO;
        return -1;
    }
    if (received == (ssize_t)sizeof body && body.magic == TSFPM_HAND_OVER_MAGIC &&
        body.version == TSFPM_HAND_OVER_VERSION)
        return connection;
    close(connection);
    errno = EPROTO;
    return -1;
}
