/* fastcgi.error_header: the status of an answer whose script was ended by a fatal error. */
#ifndef TSFPM_ERROR_HEADER_H
#define TSFPM_ERROR_HEADER_H

void tsfpm_error_header_start(int module_number); /* PHP's module start-up */
void tsfpm_error_header_request_starts(void);

#endif
