/* The zygote: php-cgi's parent process, which never serves. */
#ifndef TSFPM_ZYGOTE_H
#define TSFPM_ZYGOTE_H

#include <sys/types.h>

/* In place of php-cgi's first fork(). Never returns in the zygote; returns 0 in each worker, as fork() does. */
pid_t tsfpm_zygote_run(void);

#endif
