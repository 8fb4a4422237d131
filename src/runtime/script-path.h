/* Which script a request is for, and what its params must say so that php-cgi finds the one that php-fpm would. */
#ifndef TSFPM_SCRIPT_PATH_H
#define TSFPM_SCRIPT_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "head-params.h"

/* What PHP says; asked only where it matters. */
struct tsfpm_script_rules {
    bool (*fixes_path_info)(void); /* cgi.fix_pathinfo */
    const char *(*doc_root)(void); /* doc_root; "" where there is none */
    bool (*exists)(const char *path); /* as php-cgi itself finds it, which is about to decide by that */
};

/* Asks the file system about paths like php-cgi does later. Allocates nothing: new values are pieces of those sent. */
void tsfpm_fix_script_path(struct tsfpm_head_params *params, const struct tsfpm_script_rules *rules);

/* Whether there is a script at a path as the web server names it: with Apache's prefix, or with path info behind it. */
bool tsfpm_finds_script(const char *path, size_t length, const struct tsfpm_script_rules *rules);

#endif
