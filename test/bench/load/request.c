#include "request.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* FastCGI 1.0, sections 3.3, 5.1 and 8. */
enum { FCGI_VERSION_1 = 1, FCGI_HEADER_LEN = 8 };
enum { FCGI_BEGIN_REQUEST = 1, FCGI_PARAMS = 4, FCGI_STDIN = 5 };
enum { FCGI_RESPONDER = 1, FCGI_KEEP_CONN = 1 };

/* What nginx on Debian sends for a GET from a browser, but for the paths: those depend on the script. */
static const struct param nginx_params[] = {
	{ "QUERY_STRING", "" },
	{ "REQUEST_METHOD", "GET" },
	{ "CONTENT_TYPE", "" },
	{ "CONTENT_LENGTH", "" },
	{ "SERVER_PROTOCOL", "HTTP/1.1" },
	{ "REQUEST_SCHEME", "http" },
	{ "GATEWAY_INTERFACE", "CGI/1.1" },
	{ "SERVER_SOFTWARE", "nginx/1.22.1" },
	{ "REMOTE_ADDR", "127.0.0.1" },
	{ "REMOTE_PORT", "51234" },
	{ "REMOTE_USER", "" },
	{ "SERVER_ADDR", "127.0.0.1" },
	{ "SERVER_PORT", "80" },
	{ "SERVER_NAME", "www.example.org" },
	{ "REDIRECT_STATUS", "200" },
	{ "HTTP_HOST", "www.example.org" },
	{ "HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0" },
	{ "HTTP_ACCEPT", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" },
	{ "HTTP_ACCEPT_LANGUAGE", "en-US,en;q=0.5" },
	{ "HTTP_ACCEPT_ENCODING", "gzip, deflate" },
};

static int put(struct request *request, const void *bytes, size_t len)
{
	if (len > sizeof(request->bytes) - request->len) {
		errno = E2BIG;
		return -1;
	}
	memcpy(request->bytes + request->len, bytes, len);
	request->len += len;
	return 0;
}

static int put_header(struct request *request, unsigned char type, size_t content, size_t padding)
{
	unsigned char header[FCGI_HEADER_LEN] = {
		FCGI_VERSION_1, type, 0, REQUEST_ID,
		(unsigned char)(content >> 8), (unsigned char)content, (unsigned char)padding, 0,
	};
	return put(request, header, sizeof(header));
}

/* One byte up to 127, else four with the top bit set (section 3.4). */
static int put_length(struct request *request, size_t len)
{
	unsigned char bytes[4] = {
		(unsigned char)(len >> 24 | 0x80), (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len,
	};
	return len < 128 ? put(request, bytes + 3, 1) : put(request, bytes, 4);
}

static int put_param(struct request *request, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);

	if (put_length(request, name_len) || put_length(request, value_len) || put(request, name, name_len))
		return -1;
	return put(request, value, value_len);
}

static bool is_given(const char *name, const struct param *extra, size_t extras)
{
	for (size_t i = 0; i < extras; i++)
		if (strcmp(extra[i].name, name) == 0)
			return true;
	return false;
}

/* The parameters that follow from the script: its folder is taken as the document root. */
static int put_script_params(struct request *request, const char *script, const struct param *extra, size_t extras)
{
	const char *uri = strrchr(script, '/') ? strrchr(script, '/') : script;
	char root[4096];
	snprintf(root, sizeof(root), "%.*s", (int)(uri - script), script);
	const struct param params[] = {
		{ "SCRIPT_FILENAME", script }, { "SCRIPT_NAME", uri },    { "REQUEST_URI", uri },
		{ "DOCUMENT_URI", uri },       { "DOCUMENT_ROOT", root },
	};

	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
		if (!is_given(params[i].name, extra, extras) && put_param(request, params[i].name, params[i].value))
			return -1;
	return 0;
}

static int put_params(struct request *request, const char *script, const struct param *extra, size_t extras)
{
	if (put_script_params(request, script, extra, extras))
		return -1;
	for (size_t i = 0; i < sizeof(nginx_params) / sizeof(nginx_params[0]); i++)
		if (!is_given(nginx_params[i].name, extra, extras)
		    && put_param(request, nginx_params[i].name, nginx_params[i].value))
			return -1;
	for (size_t i = 0; i < extras; i++)
		if (put_param(request, extra[i].name, extra[i].value))
			return -1;
	return 0;
}

int request_build(struct request *request, const char *script, const struct param *extra, size_t extras,
                  bool keep_connection)
{
	static const unsigned char zeros[8];
	unsigned char begin[8] = { 0, FCGI_RESPONDER, keep_connection ? FCGI_KEEP_CONN : 0 };

	request->len = 0;
	if (put_header(request, FCGI_BEGIN_REQUEST, sizeof(begin), 0) || put(request, begin, sizeof(begin)))
		return -1;

	size_t header_at = request->len;
	if (put(request, zeros, FCGI_HEADER_LEN) || put_params(request, script, extra, extras))
		return -1;
	/* The length is known only now: the header is written again over the place kept for it. */
	size_t end = request->len, content = end - header_at - FCGI_HEADER_LEN, padding = -content % 8;
	request->len = header_at;
	if (put_header(request, FCGI_PARAMS, content, padding))
		return -1;
	request->len = end;

	if (put(request, zeros, padding) || put_header(request, FCGI_PARAMS, 0, 0))
		return -1;
	return put_header(request, FCGI_STDIN, 0, 0);
}
