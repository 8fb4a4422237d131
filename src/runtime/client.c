#include "client.h"

#include <errno.h>

#include "fastcgi.h"
#include "libc.h"
#include "request-phase.h"

int tsfpm_connection = -1;
volatile sig_atomic_t tsfpm_response_has_begun;
bool tsfpm_client_may_be_gone;
bool tsfpm_client_is_let_go;

void tsfpm_client_let_go(void)
{
    tsfpm_client_is_let_go = true;
    tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
}

bool tsfpm_client_write(const uint8_t *bytes, size_t length)
{
    tsfpm_response_has_begun = 1;
    while (length > 0) {
        ssize_t written = tsfpm_libc()->write(tsfpm_connection, bytes, length);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

void tsfpm_client_write_stderr(uint8_t record[], size_t length)
{
    if (!tsfpm_phase_is(TSFPM_PHASES_UNANSWERED) || tsfpm_role != TSFPM_ROLE_WORKER) return;
    tsfpm_make_record(record, FCGI_STDERR, tsfpm_request_id, (uint16_t)length);
    sig_atomic_t has_begun = tsfpm_response_has_begun;
    /* Once it is whole, a message is no part of the answer. */
    if (tsfpm_client_write(record, FCGI_HEADER_LEN + length)) tsfpm_response_has_begun = has_begun;
}
