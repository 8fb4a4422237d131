/* AppArmor hats, without its library. */
#ifndef TSFPM_APPARMOR_H
#define TSFPM_APPARMOR_H

#include <stddef.h>

/*
 * Changes to a hat, as a subprofile of the profile that this process is confined by. `proc` is /proc, opened before a
 * chroot. Returns 0, or -1 with errno and, in `confinement`, the present profile, or "" where it cannot be told.
 */
int tsfpm_apparmor_change(int proc, const char *hat, char *confinement, size_t size);

#endif
