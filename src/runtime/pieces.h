/* Bytes that lie in several places, written one after the other in as few calls as the kernel needs. */
#ifndef TSFPM_PIECES_H
#define TSFPM_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

static inline struct iovec tsfpm_piece(const void *bytes, size_t length)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
}

/*
 * Writes all of them, and waits where the other side does not read; a signal does not end that. Returns false, with
 * errno, where nobody is left to read. The pieces are changed.
 */
bool tsfpm_write_pieces(int fd, struct iovec *pieces, size_t count);

#endif
