/* listen.allowed_clients: who may connect by TCP. */
#ifndef TSFPM_ALLOWED_CLIENTS_H
#define TSFPM_ALLOWED_CLIENTS_H

#include <stdbool.h>
#include <sys/socket.h>

void tsfpm_allowed_clients_configure(const char *list); /* addresses, separated by commas; not called: everybody */
void tsfpm_allowed_clients_tell_mistakes(void);         /* on stderr, in php-fpm's words */
bool tsfpm_allowed_clients_permit(const struct sockaddr_storage *client);
void tsfpm_allowed_clients_tell(const struct sockaddr_storage *client); /* that this one, IPv4 or IPv6, is refused */

#endif
