/* php_admin_value: ini values that scripts cannot change. */
#ifndef TSFPM_LOCKED_VALUES_H
#define TSFPM_LOCKED_VALUES_H

#include <stdbool.h>
#include <stddef.h>

bool tsfpm_locked_values_prepare(void); /* once PHP is there; false where it lacks something that is needed */

/* In the zygote, once: `count` pairs. The values stay for the life of the process, the names are copied. */
void tsfpm_locked_values_take(char *const *names, char *const *values, size_t count);

void tsfpm_locked_values_set(void); /* PHP's request start-up */

#endif
