/* PHP_VALUE and PHP_ADMIN_VALUE: ini settings that the web server sends with a request. */
#ifndef TSFPM_REQUEST_INI_H
#define TSFPM_REQUEST_INI_H

#include <stdbool.h>

void tsfpm_request_ini_prepare(void);   /* once PHP is there: from then on they count */
bool tsfpm_request_ini_is_unsafe(void); /* the request asked for a restriction that it cannot have */

#endif
