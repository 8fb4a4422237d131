/*
 * stat() and fstat() by the kernel's calls. glibc 2.33 gave those functions symbols that an older one lacks, and a
 * php-cgi of another release brings its own glibc, into which this library is loaded. On 64-bit Linux the structure is
 * the same.
 */
#ifndef TSFPM_FILE_STATUS_H
#define TSFPM_FILE_STATUS_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int tsfpm_path_status(const char *path, struct stat *found)
{
    return (int)syscall(SYS_newfstatat, AT_FDCWD, path, found, 0);
}

static inline int tsfpm_descriptor_status(int fd, struct stat *found)
{
    return (int)syscall(SYS_fstat, fd, found);
}

#endif
