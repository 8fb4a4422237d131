#define _GNU_SOURCE
#include "client.h"

#include <sys/socket.h>

#include "libc.h"

int tsfpm_connection = -1;
volatile sig_atomic_t tsfpm_response_has_begun;
bool tsfpm_client_may_be_gone;
bool tsfpm_client_is_let_go;

void tsfpm_client_let_go(void)
{
    tsfpm_client_is_let_go = true;
    tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
}

bool tsfpm_client_write(struct iovec *pieces, size_t count)
{
    tsfpm_response_has_begun = 1;
    return tsfpm_write_pieces(tsfpm_connection, pieces, count);
}
