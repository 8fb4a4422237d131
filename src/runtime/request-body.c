/*
 * REQUEST_BODY_FILE: the web server has a request's body in a file and says where, instead of sending it through the
 * socket. php-fpm reads it from there; php-cgi does not know of it.
 *
 * The file is opened by the worker, so with its rights and inside its chroot. Only a regular file is read: the name
 * comes with the request, and a pipe or a device could keep the worker for ever.
 */
#define _GNU_SOURCE
#include "request-body.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc.h"
#include "php.h"

#define E_WARNING 2

static struct {
    size_t (*read_post)(char *, size_t);
    char *(*param)(const char *, size_t);
    void (*error)(int type, const char *format, ...);
} php;

static const struct sapi_globals *sapi;

static int body = -1;
static enum { NOT_ASKED, IN_FILE, IN_STREAM, NOWHERE } where;
static long bytes_left; /* of CONTENT_LENGTH */

static void close_body(void)
{
    if (body >= 0) tsfpm_libc()->close(body);
    body = -1;
}

void tsfpm_request_body_starts(void)
{
    close_body(); /* of a request that did not end in order */
    where = NOT_ASKED;
}

/* An idle worker must not keep a large file that the web server has removed. */
void tsfpm_request_body_ends(void)
{
    if (where == IN_FILE) where = NOWHERE;
    close_body();
}

/* In php-fpm's words. May not return: an error handler of the script may end the request. */
static void warn(const char *path, const char *reason, int number)
{
    php.error(E_WARNING, "REQUEST_BODY_FILE: open('%s') failed: %s (%d)", path, reason, number);
}

static void open_body(const char *path)
{
    struct stat found;
    where = NOWHERE;
    /* O_NONBLOCK: the open of a pipe that nobody writes to would wait for ever. */
    body = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (body < 0) {
        warn(path, strerror(errno), errno);
    } else if (fstat(body, &found) != 0 || !S_ISREG(found.st_mode)) {
        close_body();
        warn(path, "not a regular file", EINVAL);
    } else {
        where = IN_FILE;
        bytes_left = sapi->content_length;
    }
}

static void find_body(void)
{
    const char *path = php.param("REQUEST_BODY_FILE", sizeof "REQUEST_BODY_FILE" - 1); /* PHP's, of this request */
    bool is_param = path != NULL && path != getenv("REQUEST_BODY_FILE");
    if (is_param && path[0] != '\0') open_body(path);
    else where = IN_STREAM;
}

static size_t read_body(char *buffer, size_t size)
{
    size_t done = 0;
    if (where == NOT_ASKED && tsfpm_role == TSFPM_ROLE_WORKER) find_body();
    if (where == IN_STREAM || where == NOT_ASKED) return php.read_post(buffer, size);
    if (where == NOWHERE || bytes_left <= 0) return 0;
    if (size > (size_t)bytes_left) size = (size_t)bytes_left;
    while (done < size) {
        ssize_t count = tsfpm_libc()->read(body, buffer + done, size - done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) break;
        done += (size_t)count;
    }
    bytes_left -= (long)done;
    return done;
}

void tsfpm_request_body_prepare(void)
{
    struct sapi_module *module = tsfpm_sapi_module();
    sapi = dlsym(RTLD_DEFAULT, "sapi_globals");
    if (module == NULL || sapi == NULL) return;
    php.param = module->getenv; /* tells of the worker's environment, too */
    *(void **)&php.error = dlsym(RTLD_DEFAULT, "zend_error");
    php.read_post = module->read_post;
    module->read_post = read_body;
}
