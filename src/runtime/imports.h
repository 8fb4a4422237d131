/* The import tables of the objects that this process has loaded: through which of libc's functions they call. */
#ifndef TSFPM_IMPORTS_H
#define TSFPM_IMPORTS_H

#include <stdbool.h>
#include <stddef.h>

/* A function of libc's, and what is to be called in its place. */
struct tsfpm_import {
    const char *name;
    void *libcs, *ours;
};

/*
 * In every object but libc's own and this library: what calls libc's function calls ours. Returns false where a table
 * could not be changed; then some calls still go to libc. Not on a request's path.
 */
bool tsfpm_imports_redirect(const struct tsfpm_import *imports, size_t count);

/* Whether an object but libc's own calls one of these functions. Not on a request's path. */
bool tsfpm_imports_have(const char *const *names, size_t count);

#endif
