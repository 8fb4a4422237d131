/* What scripts see of a request's params as variables. */
#ifndef TSFPM_ENVIRONMENT_H
#define TSFPM_ENVIRONMENT_H

void tsfpm_environment_prepare(void);   /* once PHP is there */
void tsfpm_environment_configure(void); /* once php-cgi has made its own arrangements */

#endif
