/*
 * fastcgi_finish_request(): PHP's own functions end the output buffers and send the headers and what is left, then the
 * runtime ends the request for the client. As in php-fpm, the script goes on with its connection out of reach.
 */
#define _GNU_SOURCE
#include "finish.h"

#include <dlfcn.h>

#include "client.h"
#include "fastcgi.h"
#include "libc.h"
#include "messages.h"
#include "own-slot.h"
#include "php.h"
#include "request-phase.h"
#include "script-child.h"
#include "stream.h"

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

/* What PHP has written is with the client; what it writes from here on is taken, and sent to nobody. */
static void end_answer(void)
{
    if (!tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING))) return;
    tsfpm_messages_send();
    tsfpm_script_children_lose_client();
    uint8_t end[TSFPM_END_REQUEST_LEN];
    tsfpm_make_end_request(end, tsfpm_request_id);
    tsfpm_client_write(end, sizeof end);
    tsfpm_enter_phase(TSFPM_PHASE_RUNNING_ANSWERED);
    /* The client is to see the end, whatever this request goes on with; what it still sends is received. */
    if (!tsfpm_stream_keeps_connection()) tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
    tsfpm_own_slot_stage(TSFPM_STAGE_FINISHED);
}

void tsfpm_finish_answer(void)
{
    php.end_output_buffers(); /* runs handlers of the script: it may end the script, and not come back */
    /* From here on a client that has gone does not end the script: it wanted to go on without its client. */
    tsfpm_client_may_be_gone = true;
    php.send_headers();
    php.flush();
    tsfpm_client_may_be_gone = false;
    end_answer();
}

/* php-fpm's later calls in the same request are true for as long as the connection is open. */
static bool may_answer(void)
{
    if (tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING_ANSWERED))) return tsfpm_stream_keeps_connection();
    return tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING));
}

void tsfpm_finish_request(struct execute_data *call, struct zval *result)
{
    result->types = ZVAL_FALSE;
    if (call->argument_count > 0) {
        php.wrong_parameters();
        return;
    }
    if (tsfpm_role != TSFPM_ROLE_WORKER || !may_answer()) return;
    tsfpm_finish_answer();
    result->types = ZVAL_TRUE;
}
