/* PHP_SAPI, as the pool wants it: php_sapi_name. */
#ifndef TSFPM_SAPI_NAME_H
#define TSFPM_SAPI_NAME_H

void tsfpm_sapi_name_take(const char *name); /* copied; NULL keeps php-cgi's own */
void tsfpm_sapi_name_set(void);              /* once PHP has its constants */

#endif
