/* REQUEST_BODY_FILE: a request's body that the web server has put into a file. */
#ifndef TSFPM_REQUEST_BODY_H
#define TSFPM_REQUEST_BODY_H

void tsfpm_request_body_prepare(void); /* once PHP is there: from then on REQUEST_BODY_FILE counts */
void tsfpm_request_body_starts(void);  /* a request's start, before PHP reads anything of it */
void tsfpm_request_body_ends(void);    /* nothing more is read of it */

#endif
