/* Answers a request for the status or ping page in place of php-cgi, which does not see it. */
#ifndef TSFPM_PAGE_ANSWER_H
#define TSFPM_PAGE_ANSWER_H

#include <stdint.h>

#include "page-request.h"

/* `bytes` are the request's, `request->length` of them; they count as read. Its body, if any, is still to come. */
void tsfpm_answer_page(const uint8_t *bytes, const struct tsfpm_page_request *request);

#endif
