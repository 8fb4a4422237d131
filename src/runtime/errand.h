/* An errand: a process that does one thing for the master, as the pool's user. */
#ifndef TSFPM_ERRAND_H
#define TSFPM_ERRAND_H

#include <stdbool.h>
#include <sys/socket.h>

void tsfpm_errand_prepare(void);          /* once PHP is there */
void tsfpm_errand_begin(int connection);  /* right after the fork, all signals blocked */
int tsfpm_errand_accept(struct sockaddr *address, socklen_t *length); /* stands for libc's */

extern bool tsfpm_errand_has_begun;
_Noreturn void tsfpm_errand_run(void); /* in place of the open of the main script */

#endif
