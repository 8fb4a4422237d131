/* Descriptors of this process: those of the zygote have numbers of their own, and many are closed at once. */
#ifndef TSFPM_DESCRIPTORS_H
#define TSFPM_DESCRIPTORS_H

/*
 * The zygote's own descriptors are numbered from here on, so that a new worker can close all of them at once without
 * touching the ones that PHP's extensions opened and need (opcache's lock file).
 */
#define TSFPM_OWN_FDS_FROM 256

/* To a number of the zygote's own; the old one is closed. Ends the process where there is none. */
int tsfpm_descriptor_move_up(int fd);

/* In a process that the zygote has forked: all of the zygote's own. Async-signal-safe. */
void tsfpm_descriptors_close_own(void);

/* Every descriptor from this one on. Async-signal-safe. */
void tsfpm_descriptors_close_from(int first);

#endif
