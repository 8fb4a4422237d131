/* What a zygote that was forked from a template must not have in common with the others of that template. */
#ifndef TSFPM_OWN_MEMORY_H
#define TSFPM_OWN_MEMORY_H

/*
 * In a template, once PHP has loaded everything: looks at what no fork of it would have.
 *
 * Returns NULL where there is nothing of that, else why it cannot be forked, for the administrator.
 */
const char *tsfpm_fork_obstacle(void);

/*
 * In a template, once PHP has loaded everything: looks at all that its forks would share.
 *
 * Returns NULL where each fork can have its own of it, else why not, for the administrator.
 */
const char *tsfpm_own_memory_obstacle(void);

/*
 * In a fork of a template that has no obstacle, with the template's rights, before any code of a tenant: shared
 * memory and lock files become this process's own, as they were in the template. Ends the process where that fails.
 */
void tsfpm_own_memory_take(void);

#endif
