/* The bytes of one request, as nginx sends it: built once, written again and again. */
#ifndef LOAD_REQUEST_H
#define LOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_MAX 8192
#define REQUEST_ID 1

struct request {
	size_t len;
	unsigned char bytes[REQUEST_MAX];
};

struct param {
	const char *name;
	const char *value;
};

/*
 * A GET of the script (absolute path) with the parameters nginx's fastcgi_params file gives, then the caller's.
 * A parameter of the caller replaces the one of the same name. -1 with E2BIG if it does not fit REQUEST_MAX.
 */
int request_build(struct request *request, const char *script, const struct param *extra, size_t extras,
                  bool keep_connection);

#endif
