/* Which script a request runs, and the answers where it may run none. */
#ifndef TSFPM_MAIN_SCRIPT_H
#define TSFPM_MAIN_SCRIPT_H

void tsfpm_main_script_prepare(void); /* once PHP is there */

/*
 * In the zygote: security.limit_extensions, separated by blanks, which stays; NULL: any. Tells where it cannot be kept.
 */
void tsfpm_main_script_configure(const char *limit_extensions);

void tsfpm_main_script_check(void);     /* PHP's request start-up: refuses what is not to run */
void tsfpm_main_script_check_end(void); /* PHP's request shutdown: tells of a script that could not be opened */

#endif
