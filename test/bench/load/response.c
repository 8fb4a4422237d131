#include "response.h"
#include "request.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* FastCGI 1.0, section 8. */
enum { FCGI_VERSION_1 = 1, FCGI_END_REQUEST = 3, FCGI_STDOUT = 6, FCGI_STDERR = 7 };
enum { FCGI_REQUEST_COMPLETE = 0, FCGI_END_REQUEST_BODY = 8 };

void response_reset(struct response *response)
{
	response->state = RESPONSE_READING;
	response->header_len = 0;
	response->content_left = 0;
	response->padding_left = 0;
	response->received = 0;
	response->stdout_bytes = 0;
	response->stderr_bytes = 0;
	response->end_len = 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void read_header(struct response *response)
{
	const unsigned char *header = response->header;
	unsigned id = (unsigned)header[2] << 8 | header[3];

	response->content_left = (uint32_t)header[4] << 8 | header[5];
	response->padding_left = header[6];
	bool known = header[1] == FCGI_STDOUT || header[1] == FCGI_STDERR
	             || (header[1] == FCGI_END_REQUEST && response->content_left == FCGI_END_REQUEST_BODY);
	if (header[0] != FCGI_VERSION_1 || id != REQUEST_ID || !known)
		response->state = RESPONSE_MALFORMED;
}

static void take_content(struct response *response, const unsigned char *bytes, size_t len, FILE *copy)
{
	switch (response->header[1]) {
	case FCGI_STDOUT:
		if (response->stdout_bytes < RESPONSE_HEAD - 1) {
			size_t kept = least(len, RESPONSE_HEAD - 1 - (size_t)response->stdout_bytes);
			memcpy(response->head + response->stdout_bytes, bytes, kept);
		}
		response->stdout_bytes += len;
		if (copy)
			fwrite(bytes, 1, len, copy);
		break;
	case FCGI_STDERR:
		response->stderr_bytes += len;
		break;
	case FCGI_END_REQUEST:
		memcpy(response->end + response->end_len, bytes, len);
		response->end_len += (unsigned)len;
		break;
	}
}

/* A record is over: the last one ends the answer, any other is followed by a header. */
static void finish_record(struct response *response)
{
	if (response->header[1] == FCGI_END_REQUEST)
		response->state = RESPONSE_ENDED;
	response->header_len = 0;
}

void response_take(struct response *response, const unsigned char *bytes, size_t len, FILE *copy)
{
	response->received += len;
	while (len > 0 && response->state == RESPONSE_READING) {
		size_t part;
		if (response->header_len < sizeof(response->header)) {
			part = least(len, sizeof(response->header) - response->header_len);
			memcpy(response->header + response->header_len, bytes, part);
			response->header_len += (unsigned)part;
			if (response->header_len == sizeof(response->header))
				read_header(response);
		} else if (response->content_left > 0) {
			part = least(len, response->content_left);
			take_content(response, bytes, part, copy);
			response->content_left -= (uint32_t)part;
		} else {
			part = least(len, response->padding_left);
			response->padding_left -= (uint32_t)part;
		}
		bytes += part;
		len -= part;
		if (response->state == RESPONSE_READING && response->header_len == sizeof(response->header)
		    && response->content_left == 0 && response->padding_left == 0)
			finish_record(response);
	}
	/* One request at a time: nothing may follow its end. */
	if (len > 0)
		response->state = RESPONSE_MALFORMED;
}

int response_status(const struct response *response)
{
	/* The application's status is 4 bytes, the protocol's the fifth. A PHP script that dies exits with 255. */
	static const unsigned char complete[5] = { 0, 0, 0, 0, FCGI_REQUEST_COMPLETE };
	char head[RESPONSE_HEAD];
	size_t len = least((size_t)response->stdout_bytes, RESPONSE_HEAD - 1);

	if (memcmp(response->end, complete, sizeof(complete)) != 0 || len == 0)
		return 0;
	memcpy(head, response->head, len);
	head[len] = '\0';
	for (char *line = head; line && *line && *line != '\r' && *line != '\n';) {
		if (strncasecmp(line, "Status:", 7) == 0)
			return atoi(line + 7);
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return 200;
}
