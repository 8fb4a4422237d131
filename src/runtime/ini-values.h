/* php_value and php_admin_value of a pool whose zygote was forked from a template, after PHP has read its settings. */
#ifndef TSFPM_INI_VALUES_H
#define TSFPM_INI_VALUES_H

#include <stdbool.h>

/* In a template, once PHP has its settings. Returns false where they cannot be found in this PHP. */
bool tsfpm_ini_values_prepare(void);

/*
 * In a zygote: from now on this is the value that the setting has at the start of every request, as if PHP had read
 * it from its command line. Nothing where PHP has no such setting or refuses the value, as it does there.
 */
void tsfpm_ini_values_set(const char *name, const char *value);

#endif
