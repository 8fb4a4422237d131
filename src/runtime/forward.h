/* What workers print, on its way to the master: the zygote's ends of their pipes, by slot. */
#ifndef TSFPM_FORWARD_H
#define TSFPM_FORWARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int tsfpm_forward_prepare(uint32_t slot_count); /* 0, or -1 with errno */

/* Takes over both ends. 0, or -1 with errno. */
int tsfpm_forward_open(uint32_t slot, pid_t pid, int stdout_end, int stderr_end);

void tsfpm_forward_event(void);
int tsfpm_forward_wait_ms(void);        /* when it is to be called again, for a pause to end; -1: there is none */
bool tsfpm_forward_last(uint32_t slot); /* its worker has ended; true once what it printed is on its way, or given up */

#endif
