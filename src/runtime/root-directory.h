/* Whether this process's working directory is the root: PHP asks for the directory before each script. */
#ifndef TSFPM_ROOT_DIRECTORY_H
#define TSFPM_ROOT_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

/* The next question is PHP's, before it goes to the script's directory. Not answered where changes may be unseen. */
void tsfpm_root_directory_request_starts(bool may_be_unseen);

/* The hooks' functions: each stands for libc's of that name. */
char *tsfpm_root_directory_getcwd(char *buffer, size_t size);
int tsfpm_root_directory_chdir(const char *path);
int tsfpm_root_directory_fchdir(int fd);

#endif
