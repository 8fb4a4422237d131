/* A php-cgi that has loaded everything and never serves: the zygotes of several pools are forked from it. */
#ifndef TSFPM_TEMPLATE_H
#define TSFPM_TEMPLATE_H

#include <stdbool.h>

/* In the constructor: whether this php-cgi is to be a template. The variable that says so leaves the environment. */
bool tsfpm_template_is_wanted(void);

/* PHP's module start-up: ends a template that cannot be one, before PHP runs a script in it. */
void tsfpm_template_module_startup(void);

/* Ends with the master. Returns in each forked zygote: where TSFPM_FD_... tell, it has its own descriptors. */
void tsfpm_template_run(void);

#endif
