/*
 * What PHP asks of the kernel while it starts a request is the same each time, and most of it is known. What scripts
 * and extensions do afterwards is seen, or may not be: then all of it is asked again.
 */
#define _GNU_SOURCE
#include "php-start.h"

#include "known-signals.h"
#include "root-directory.h"
#include "time-limit.h"
#include "unseen-calls.h"

void tsfpm_php_start_begins(void)
{
    tsfpm_known_signals_request_begins();
    tsfpm_time_limit_request_begins();
}

void tsfpm_php_start_ends(void)
{
    bool may_be_unseen = tsfpm_calls_may_be_unseen();
    tsfpm_known_signals_request_starts();
    if (may_be_unseen) tsfpm_known_signals_forget();
    tsfpm_time_limit_request_starts(may_be_unseen);
    tsfpm_root_directory_request_starts(may_be_unseen);
}
