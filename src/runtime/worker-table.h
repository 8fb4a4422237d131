/* The zygote's workers by slot: which of them live, which are to leave, and what is done at their ends. */
#ifndef TSFPM_WORKER_TABLE_H
#define TSFPM_WORKER_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

int tsfpm_workers_prepare(uint32_t slot_count); /* 0, or -1 with errno */

/* Why no worker can be forked for a slot that the master names: EINVAL, EBUSY, or ESHUTDOWN in a drain; 0: one can. */
int tsfpm_workers_refusal(int32_t slot);
void tsfpm_workers_add(uint32_t slot, pid_t pid, bool is_probe);

bool tsfpm_workers_has(int32_t slot, int32_t pid); /* as the master names it: it may have ended meanwhile */
void tsfpm_workers_retire(uint32_t slot);          /* it ends once it is idle */
void tsfpm_workers_wake(void);                     /* those without a request look at the scoreboard again */
bool tsfpm_workers_are_gone(void);                 /* all of them, and their last output is with the master */

void tsfpm_workers_reap(void); /* at SIGCHLD */

/* After each round of events, and after tsfpm_workers_patience_ms() without any; -1: for ever. */
void tsfpm_workers_tend(void);
int tsfpm_workers_patience_ms(void);

#endif
