/*
 * fastcgi_finish_request(): PHP's own functions end the output buffers and send the headers and what is left, then the
 * runtime ends the request for the client. As in php-fpm, the script goes on with its connection out of reach.
 */
#define _GNU_SOURCE
#include "finish.h"

#include <dlfcn.h>

#include "answer.h"
#include "client.h"
#include "libc.h"
#include "php.h"

static struct {
    void (*end_output_buffers)(void);
    int (*send_headers)(void);
    void (*flush)(void);
    void (*wrong_parameters)(void);
} php;

bool tsfpm_finish_prepare(void)
{
    *(void **)&php.end_output_buffers = dlsym(RTLD_DEFAULT, "php_output_end_all");
    *(void **)&php.send_headers = dlsym(RTLD_DEFAULT, "php_header");
    *(void **)&php.flush = dlsym(RTLD_DEFAULT, "sapi_flush");
    *(void **)&php.wrong_parameters = dlsym(RTLD_DEFAULT, "zend_wrong_parameters_none_error");
    return php.end_output_buffers != NULL && php.send_headers != NULL && php.flush != NULL &&
           php.wrong_parameters != NULL;
}

void tsfpm_finish_answer(void)
{
    php.end_output_buffers(); /* runs handlers of the script: it may end the script, and not come back */
    /* From here on a client that has gone does not end the script: it wanted to go on without its client. */
    tsfpm_client_may_be_gone = true;
    php.send_headers();
    php.flush();
    tsfpm_client_may_be_gone = false;
    tsfpm_answer_early();
}

void tsfpm_finish_request(struct execute_data *call, struct zval *result)
{
    result->types = ZVAL_FALSE;
    if (call->argument_count > 0) {
        php.wrong_parameters();
        return;
    }
    if (tsfpm_role != TSFPM_ROLE_WORKER || !tsfpm_may_answer_early()) return;
    tsfpm_finish_answer();
    result->types = ZVAL_TRUE;
}
