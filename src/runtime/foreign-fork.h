/* Processes that other code than the zygote's forks: what is ours is taken from them. */
#ifndef TSFPM_FOREIGN_FORK_H
#define TSFPM_FOREIGN_FORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

void tsfpm_foreign_fork_start(void); /* once, in the constructor: from then on every fork is seen */

/* zygote.c, around the fork of a worker: that child is ours. */
extern bool tsfpm_is_forking_worker;

/* Once PHP is there: what a script's child flushes is told from what it leaves behind at its end. */
void tsfpm_script_child_prepare(void);

/*
 * In a worker: whether a script has forked since the client was accepted. Such a child may keep the connection open; its
 * output is nobody's once its request is over, which the worker says before it ends the answer.
 */
extern bool tsfpm_client_is_shared;
void tsfpm_script_children_lose_client(void);

/* The hooks' functions in a script's child, for the connection of its parent's client. */
ssize_t tsfpm_script_child_write(const void *buffer, size_t size);
int tsfpm_script_child_close(void);

#endif
