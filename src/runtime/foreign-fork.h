/* Processes that other code than the zygote's forks: the runtime's descriptors and memory are taken from them. */
#ifndef TSFPM_FOREIGN_FORK_H
#define TSFPM_FOREIGN_FORK_H

#include <stdbool.h>

void tsfpm_foreign_fork_start(void); /* once, in the constructor: from then on every fork is seen */

/* spawn.c, around the fork of a worker: that child is ours. */
extern bool tsfpm_is_forking_worker;

#endif
