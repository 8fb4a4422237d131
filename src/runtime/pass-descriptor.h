/* Bytes and a descriptor, together, over a unix socket: unix(7) SCM_RIGHTS. None of these waits. */
#ifndef TSFPM_PASS_DESCRIPTOR_H
#define TSFPM_PASS_DESCRIPTOR_H

#include <stddef.h>
#include <sys/types.h>

/* Sends a copy of the descriptor, which stays open here; -1: bytes alone. Returns 0, or -1 with errno. */
int tsfpm_send_with_descriptor(int socket_fd, const void *bytes, size_t size, int descriptor);

/*
 * Returns what recv() does. `*descriptor` becomes what came along, closed on exec, or -1. Of several the first is taken
 * and the kernel closes the others. Where anything was cut off, bytes included, `*descriptor` is -1 and errno EMFILE if
 * this process has no descriptor left, else EMSGSIZE; 0 where nothing was.
 */
ssize_t tsfpm_receive_with_descriptor(int socket_fd, void *bytes, size_t size, int *descriptor);

#endif
