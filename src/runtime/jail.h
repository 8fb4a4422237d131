/* What PHP and libc look for in the file system long after their start, for workers in a chroot: jail.c. */
#ifndef TSFPM_JAIL_H
#define TSFPM_JAIL_H

#include <stddef.h>
#include <stdint.h>

/* All in the zygote, while it can still see the system's files. */
void tsfpm_jail_prepare(const char *root);
void tsfpm_jail_take_time_zones(const uint8_t *database, size_t length); /* a TIME_ZONES setting; copied */

#endif
