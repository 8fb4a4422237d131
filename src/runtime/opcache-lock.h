/* opcache's lock of its memory, by which workers tell each other that they are within a request: flags in its place. */
#ifndef TSFPM_OPCACHE_LOCK_H
#define TSFPM_OPCACHE_LOCK_H

#include <stdint.h>

/* While PHP starts: before zygotes are forked, so that whoever shares opcache's memory shares the flags. */
void tsfpm_opcache_lock_prepare(void);

void tsfpm_opcache_lock_begin(uint32_t slot_index); /* in a new worker */

/* The hook's function: stands for libc's fcntl. */
int tsfpm_opcache_lock_fcntl(int fd, int command, void *argument);

#endif
