/*
 * listen.allowed_clients: who may connect by TCP. php-cgi has the same for ports that it binds itself, which a worker's
 * never is; and older ones compare only the first twelve bytes of an IPv6 address.
 */
#define _GNU_SOURCE
#include "allowed-clients.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libc.h"

/* IPv4 as the IPv6 address that it is mapped to: an IPv4 client may come either way. */
static struct in6_addr *allowed;
static size_t allowed_count;
static const char **mistakes; /* entries that are no address; they stay */
static size_t mistake_count;
static bool is_restricted;

static struct in6_addr mapped(struct in_addr address)
{
    struct in6_addr wide = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(wide.s6_addr + 12, &address, sizeof address);
    return wide;
}

static bool parse(const char *text, struct in6_addr *address)
{
    struct in_addr narrow;
    if (inet_pton(AF_INET, text, &narrow) == 1) *address = mapped(narrow);
    else if (inet_pton(AF_INET6, text, address) != 1) return false;
    return true;
}

/* Between two commas stands an address, as under php-fpm, or a mistake, such as nothing at all. */
void tsfpm_allowed_clients_configure(const char *addresses)
{
    size_t most = 1;
    for (const char *at = addresses; *at != '\0'; at++) most += *at == ',';
    char *copy = strdup(addresses), *rest = copy;
    allowed = calloc(most, sizeof *allowed);
    mistakes = calloc(most, sizeof *mistakes);
    if (copy == NULL || allowed == NULL || mistakes == NULL) tsfpm_die("no memory for listen.allowed_clients");
    is_restricted = true;
    for (char *entry; (entry = strsep(&rest, ",")) != NULL;) {
        if (parse(entry, &allowed[allowed_count])) allowed_count++;
        else mistakes[mistake_count++] = entry;
    }
}

void tsfpm_allowed_clients_tell_mistakes(void)
{
    for (size_t i = 0; i < mistake_count; i++)
        dprintf(STDERR_FILENO, "ERROR: Wrong IP address '%s' in listen.allowed_clients\n", mistakes[i]);
    /* Nobody is allowed in that case: a mistake must not open the pool to everybody. */
    if (is_restricted && allowed_count == 0) dprintf(STDERR_FILENO, "ERROR: There are no allowed addresses\n");
}

bool tsfpm_allowed_clients_permit(const struct sockaddr_storage *client)
{
    struct in6_addr address;
    if (!is_restricted || client->ss_family == AF_UNIX) return true;
    if (client->ss_family == AF_INET) address = mapped(((const struct sockaddr_in *)client)->sin_addr);
    else if (client->ss_family == AF_INET6) address = ((const struct sockaddr_in6 *)client)->sin6_addr;
    else return false;
    for (size_t i = 0; i < allowed_count; i++)
        if (memcmp(&allowed[i], &address, sizeof address) == 0) return true;
    return false;
}

void tsfpm_allowed_clients_tell(const struct sockaddr_storage *client)
{
    char text[INET6_ADDRSTRLEN] = "";
    if (client->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)client)->sin_addr, text, sizeof text);
    else inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)client)->sin6_addr, text, sizeof text);
    dprintf(STDERR_FILENO, "ERROR: Connection disallowed: IP address '%s' has been dropped.\n", text);
}
