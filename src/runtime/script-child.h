/* The output of children that a script forks from its worker. */
#ifndef TSFPM_SCRIPT_CHILD_H
#define TSFPM_SCRIPT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Once PHP is there: what a child flushes is told from what it leaves behind at its end. */
void tsfpm_script_child_prepare(void);

/* Around a script's fork: in the worker, with whether its client has the whole answer; then in the child. */
void tsfpm_script_child_before_fork(bool is_answered);
void tsfpm_script_child_begin(void); /* Async-signal-safe */

/*
 * In a worker: whether a script has forked since the client was accepted. Such a child may keep the connection open.
 * Once its request is over its output is sent to nobody: the worker says so before it ends the answer.
 */
extern bool tsfpm_client_is_shared;
void tsfpm_script_children_lose_client(void);

/* In the child: the hooks' functions for the connection of its parent's client. */
ssize_t tsfpm_script_child_write(const void *buffer, size_t size);
int tsfpm_script_child_close(void);

#endif
