/* The HTTP status of the present request's answer, for the access log and for the sums of the scoreboard. */
#ifndef TSFPM_SENT_STATUS_H
#define TSFPM_SENT_STATUS_H

#include <stddef.h>
#include <stdint.h>

void tsfpm_sent_status_prepare(void); /* once PHP is there */

void tsfpm_sent_status_request_begins(void);
/* A piece of an answer that the master makes, a CGI answer: the status is its first line, unless it is 200. */
void tsfpm_sent_status_page_answer(const uint8_t *bytes, size_t length);

/* At the end of a request; 0 where it is not known. */
uint32_t tsfpm_sent_status(void);

#endif
