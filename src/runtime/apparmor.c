/*
 * AppArmor without its library: a process reads and changes its own profile through a file of /proc. The kernel lets it
 * write only what it opened with its present identity, so that file is opened here, after the identity was taken, and
 * found through a handle of /proc that was opened before: a jail has none.
 */
#define _GNU_SOURCE
#include "apparmor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libc.h"

/* The second is for Linux before 5.1. There it may be another security module's, which refuses our command. */
static int open_current(int proc, int flags)
{
    int fd = openat(proc, "self/attr/apparmor/current", flags | O_CLOEXEC);
    return fd >= 0 || errno != ENOENT ? fd : openat(proc, "self/attr/current", flags | O_CLOEXEC);
}

/* "profile (mode)" or "unconfined", of which only the name counts. */
static int read_profile(int proc, char *name, size_t size)
{
    int fd = open_current(proc, O_RDONLY);
    if (fd < 0) return -1;
    ssize_t length = tsfpm_libc()->read(fd, name, size - 1);
    int error = errno;
    tsfpm_libc()->close(fd);
    errno = error;
    /* The file that all security modules share is there without any of them, too. */
    if (length < 0 && errno == EINVAL) errno = EOPNOTSUPP;
    if (length < 0) return -1;
    name[length] = '\0';
    name[strcspn(name, "\n")] = '\0';
    char *mode = strrchr(name, '(');
    if (mode != NULL && mode > name && mode[-1] == ' ') mode[-1] = '\0';
    if (name[0] != '\0' && (size_t)length < size - 1) return 0;
    errno = EINVAL;
    return -1;
}

int tsfpm_apparmor_change(int proc, const char *hat, char *confinement, size_t size)
{
    char command[2 * 4096];
    confinement[0] = '\0';
    if (read_profile(proc, confinement, size) != 0) {
        confinement[0] = '\0';
        return -1;
    }
    int length = snprintf(command, sizeof command, "changeprofile %s//%s", confinement, hat);
    if (length >= (int)sizeof command) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open_current(proc, O_WRONLY);
    if (fd < 0) return -1;
    ssize_t written = tsfpm_libc()->write(fd, command, (size_t)length); /* the kernel takes it whole or not at all */
    int error = written < 0 ? errno : EPROTO;
    tsfpm_libc()->close(fd);
    errno = error;
    return written == length ? 0 : -1;
}
