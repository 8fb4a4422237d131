/* fpm_get_status(), a function of PHP. */
#ifndef TSFPM_GET_STATUS_H
#define TSFPM_GET_STATUS_H

#include <stdbool.h>

struct execute_data;
struct zval;

bool tsfpm_get_status_prepare(void); /* false where this PHP lacks something that it needs */
void tsfpm_get_status(struct execute_data *call, struct zval *result);

#endif
