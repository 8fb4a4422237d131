#define _GNU_SOURCE
#include "pieces.h"

#include <errno.h>

bool tsfpm_write_pieces(int fd, struct iovec *pieces, size_t count)
{
    while (count > 0) {
        ssize_t written = writev(fd, pieces, (int)count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        for (; count > 0 && (size_t)written >= pieces->iov_len; pieces++, count--) written -= (ssize_t)pieces->iov_len;
        if (count == 0) return true;
        pieces->iov_base = (char *)pieces->iov_base + written;
        pieces->iov_len -= (size_t)written;
    }
    return true;
}
