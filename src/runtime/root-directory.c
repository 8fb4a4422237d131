/*
 * main/main.c asks for the working directory before each script, goes to the script's, and comes back afterwards. Where
 * that is the root, as for a service or in a jail, the answer is known: the root is never renamed or removed. Any other
 * directory may be, while a worker is in it, so for those the kernel is asked.
 *
 * Only that one question is answered from here. Scripts always ask the kernel.
 */
#define _GNU_SOURCE
#include "root-directory.h"

#include <string.h>

#include "libc.h"

static bool is_root;    /* the last change, of which nothing is unseen, went there */
static bool may_answer;
static bool was_unseen; /* what the last request's script did */

void tsfpm_root_directory_request_starts(bool may_be_unseen)
{
    if (was_unseen) is_root = false;
    was_unseen = may_be_unseen;
    may_answer = is_root && !may_be_unseen;
}

char *tsfpm_root_directory_getcwd(char *buffer, size_t size)
{
    bool is_known = may_answer && buffer != NULL && size >= sizeof "/";
    may_answer = false;
    return is_known ? memcpy(buffer, "/", sizeof "/") : tsfpm_libc()->getcwd(buffer, size);
}

int tsfpm_root_directory_chdir(const char *path)
{
    may_answer = is_root = false;
    int result = tsfpm_libc()->chdir(path);
    is_root = result == 0 && strcmp(path, "/") == 0;
    return result;
}

int tsfpm_root_directory_fchdir(int fd)
{
    may_answer = is_root = false;
    return tsfpm_libc()->fchdir(fd);
}
