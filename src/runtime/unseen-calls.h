/* Calls to libc that the hooks do not see. */
#ifndef TSFPM_UNSEEN_CALLS_H
#define TSFPM_UNSEEN_CALLS_H

#include <stdbool.h>

#include "imports.h"

/*
 * Once, when all extensions are loaded: the hooks are called by those too that find libc's functions first. Where some
 * calls are not seen all the same, they never will be.
 */
void tsfpm_unseen_calls_prepare(const struct tsfpm_import *hooks, size_t count);

/* At a request's start: whether its script may make calls unseen. Then nothing is known without asking the kernel. */
bool tsfpm_calls_may_be_unseen(void);

#endif
