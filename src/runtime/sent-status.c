#define _GNU_SOURCE
#include "sent-status.h"

#include <dlfcn.h>
#include <string.h>

#include "libc.h"
#include "php.h"

static const struct sapi_globals *globals;
static int (*php_send_headers)(struct sapi_headers *);
static uint32_t status; /* 0: no headers were sent yet */

/* The status that is sent: a request that was refused goes on in PHP, with another one. */
static int note_sent_headers(struct sapi_headers *headers)
{
    status = (uint32_t)headers->http_response_code;
    return php_send_headers(headers);
}

void tsfpm_sent_status_prepare(void)
{
    struct sapi_module *sapi = dlsym(RTLD_DEFAULT, "sapi_module");
    globals = dlsym(RTLD_DEFAULT, "sapi_globals");
    if (sapi == NULL || sapi->send_headers == NULL) return;
    php_send_headers = sapi->send_headers;
    sapi->send_headers = note_sent_headers;
}

void tsfpm_sent_status_request_begins(void)
{
    status = 0;
}

void tsfpm_sent_status_page_answer(const uint8_t *bytes, size_t length)
{
    static const char name[] = "Status: ";
    const size_t name_length = sizeof name - 1;
    if (status != 0) return; /* not its first piece */
    status = 200;
    if (length < name_length + 3 || memcmp(bytes, name, name_length) != 0) return;
    status = 0;
    for (size_t i = 0; i < 3; i++) status = status * 10 + (uint32_t)(bytes[name_length + i] - '0');
}

uint32_t tsfpm_sent_status(void)
{
    if (status != 0 || globals == NULL) return status;
    /* Where this PHP is not laid out as expected, the status of headers that were sent is known all the same. */
    const struct sapi_headers *headers = &globals->headers;
    return headers->element_size == sizeof(char *) + sizeof(size_t) ? (uint32_t)headers->http_response_code : 0;
}
