/* What is known of this process's signals without asking the kernel, for the questions that PHP has at each request. */
#ifndef TSFPM_KNOWN_SIGNALS_H
#define TSFPM_KNOWN_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* PHP's request start-up: from BEGIN_REQUEST to the moment at which extensions, then scripts, may run. */
void tsfpm_known_signals_request_begins(void);
void tsfpm_known_signals_request_starts(void);

/* Something may have changed signals unseen: the kernel is asked again. */
void tsfpm_known_signals_forget(void);

/* The hooks' functions: each stands for libc's of that name. Async-signal-safe. */
int tsfpm_known_sigaction(int signal_number, const struct sigaction *wanted, struct sigaction *old);
int tsfpm_known_sigprocmask(int how, const sigset_t *signals, sigset_t *old);
int tsfpm_known_pthread_sigmask(int how, const sigset_t *signals, sigset_t *old);
void (*tsfpm_known_signal(int signal_number, void (*handler)(int)))(int);

#endif
