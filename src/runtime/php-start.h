/* PHP's own start of a request: from BEGIN_REQUEST to the moment at which extensions, then scripts, may run. */
#ifndef TSFPM_PHP_START_H
#define TSFPM_PHP_START_H

void tsfpm_php_start_begins(void);
void tsfpm_php_start_ends(void);

#endif
