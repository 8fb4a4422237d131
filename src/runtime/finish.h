/* fastcgi_finish_request(), a function of PHP. */
#ifndef TSFPM_FINISH_H
#define TSFPM_FINISH_H

#include <stdbool.h>

struct execute_data;
struct zval;

bool tsfpm_finish_prepare(void); /* false where this PHP lacks something that it needs */
void tsfpm_finish_request(struct execute_data *call, struct zval *result);
void tsfpm_finish_answer(void); /* in a request: what PHP has written is the whole answer */

#endif
