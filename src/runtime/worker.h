/* A worker: php-cgi's FastCGI loop, whose calls on the client's connection are served here. */
#ifndef TSFPM_WORKER_H
#define TSFPM_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

void tsfpm_worker_begin(uint32_t slot_index, int listen_fd, int channel_fd); /* right after fork, all signals blocked */
bool tsfpm_worker_ends_in_order(void); /* no client in hand: whatever scripts returned, the exit code is 0 */

/* The hooks' functions: each stands for libc's of that name, on the connection of the client. */
int tsfpm_worker_accept(struct sockaddr *address, socklen_t *length);
int tsfpm_worker_shutdown(int how);
ssize_t tsfpm_worker_drain(void); /* recv, which php-cgi calls before a close */
int tsfpm_worker_close(void);

#endif
