/*
 * Which script may run, and php-fpm's answers where none may: php-cgi would run a file of any name, and has an answer
 * of its own for one that does not exist.
 *
 * When PHP starts a request, php-cgi has decided which file it is for, by its own rules of path info. So the check is
 * made then, of the very path that php-cgi is about to open. A request that is refused is answered through PHP's output
 * functions; then php-cgi is left without a path, and what it says about that is sent to nobody.
 */
#define _GNU_SOURCE
#include "main-script.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "errand.h"
#include "finish.h"
#include "libc.h"
#include "messages.h"
#include "own-slot.h"
#include "php.h"
#include "request-ini.h"

#define TEXT_MOST 4096

static struct sapi_globals *sapi;
static struct {
    void *(*get_stat)(void);
    int (*header)(int operation, void *line);
    size_t (*write)(const char *, size_t);
    char *(*param)(const char *, size_t);
} php;

static bool is_possible;
static char main_script[TEXT_MOST];
static const char *limit_extensions; /* separated by blanks; NULL: any */

/*
 * PHP itself says whether the path is where it is taken to be: sapi_get_stat() looks at the file that it names, and
 * finds none exactly when that does not exist.
 */
static bool path_is_where_expected(void)
{
    char *saved = sapi->path_translated;
    char there[] = "/", missing[] = "/proc/self/tsfpm-has-no-such-file";
    sapi->path_translated = there;
    bool finds = php.get_stat() != NULL;
    sapi->path_translated = missing;
    bool misses = php.get_stat() == NULL;
    sapi->path_translated = saved;
    return saved == NULL && finds && misses;
}

void tsfpm_main_script_prepare(void)
{
    sapi = dlsym(RTLD_DEFAULT, "sapi_globals");
    *(void **)&php.get_stat = dlsym(RTLD_DEFAULT, "sapi_get_stat");
    *(void **)&php.header = dlsym(RTLD_DEFAULT, "sapi_header_op");
    *(void **)&php.write = dlsym(RTLD_DEFAULT, "php_output_write");
    *(void **)&php.param = dlsym(RTLD_DEFAULT, "sapi_getenv");
    is_possible = sapi != NULL && php.get_stat != NULL && php.header != NULL && php.write != NULL &&
                  php.param != NULL && tsfpm_finish_prepare() && path_is_where_expected();
}

/* A path is the client's: it may not make lines of its own in a log. */
static void mask_control_characters(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) *at = '.';
}

/*
 * php-cgi opens the script right after the request's start, through a pointer to a function. While `is_awaited`, the
 * next call is that one.
 */
static int (*open_stream)(void *, void *);
static bool is_awaited;

static void tell_unopened(int reason)
{
    char text[TEXT_MOST + 64];
    snprintf(text, sizeof text, "%s (%.60s)", main_script, strerror(reason));
    mask_control_characters(text);
    tsfpm_message(TSFPM_LEVEL_ERROR, "Unable to open primary script: ", text);
}

static int on_open_stream(void *first, void *second)
{
    if (tsfpm_role == TSFPM_ROLE_ERRAND && !tsfpm_errand_has_begun) tsfpm_errand_run();
    bool is_main_script = is_awaited;
    is_awaited = false;
    if (is_main_script) errno = 0; /* for a directory it fails without setting errno */
    int result = open_stream(first, second);
    int reason = errno;
    if (result != 0 && is_main_script && tsfpm_role == TSFPM_ROLE_WORKER) tell_unopened(reason);
    errno = reason; /* php-cgi chooses its answer by it */
    return result;
}

void tsfpm_main_script_check_end(void)
{
    /* php-cgi did not even try to open it. */
    if (is_awaited) tell_unopened(ENOENT);
    is_awaited = false;
}

void tsfpm_main_script_configure(const char *extensions)
{
    limit_extensions = extensions;
    /* By now opcache's own function is there, where it is in use. */
    int (**stream_function)(void *, void *) = dlsym(RTLD_DEFAULT, "zend_stream_open_function");
    if (is_possible && stream_function != NULL && *stream_function != NULL) {
        open_stream = *stream_function;
        *stream_function = on_open_stream;
    }
    if (extensions != NULL && !is_possible)
        dprintf(STDERR_FILENO, "this version of PHP hides which script it runs: security.limit_extensions is NOT in "
                               "force, files of any name run as PHP\n");
}

/* ---- what may run ---- */

/* Compares the end of the path byte for byte, as php-fpm does: a dot has no meaning of its own. */
static bool may_run(const char *path)
{
    if (limit_extensions == NULL) return true;
    size_t path_length = strlen(path);
    bool is_limited = false;
    for (const char *at = limit_extensions; *at != '\0';) {
        size_t length = strcspn(at, " \t");
        if (length > 0) is_limited = true;
        if (length > 0 && path_length > length && memcmp(path + path_length - length, at, length) == 0) return true;
        at += length + strspn(at + length, " \t");
    }
    return !is_limited;
}

/* `status` NULL leaves it at 200. */
static void answer(const char *status, const char *body)
{
    tsfpm_client_may_be_gone = true; /* the end of a request that has not started would end the worker */
    if (status != NULL) {
        struct header_line line = {.line = status, .length = strlen(status)};
        php.header(SAPI_HEADER_REPLACE, &line);
    }
    php.write(body, strlen(body));
    tsfpm_finish_answer();
    /*
     * php-cgi has nothing left to open, by doc_root or user_dir either. PHP frees the path with the request's memory.
     */
    sapi->path_translated = NULL;
    sapi->request_uri = NULL;
}

static void deny(const char *path)
{
    char text[TEXT_MOST];
    snprintf(text, sizeof text, "Access to the script '%s' has been denied (see security.limit_extensions)", path);
    mask_control_characters(text);
    tsfpm_message(TSFPM_LEVEL_NOTICE, "", text);
    answer("HTTP/1.1 403 Forbidden", "Access denied.\n");
}

/* A copy: PHP frees the path before it tells of a failure. */
static void await_script(const char *path)
{
    is_awaited = open_stream != NULL;
    if (is_awaited) snprintf(main_script, sizeof main_script, "%s", path);
}

void tsfpm_main_script_check(void)
{
    is_awaited = false;
    if (!is_possible) return;
    if (tsfpm_request_ini_is_unsafe()) {
        answer("HTTP/1.1 403 Forbidden", "Access denied.\n");
        return;
    }
    /* php-cgi looks for the method only where there is a script. */
    if (sapi->request_method == NULL && php.param("REQUEST_METHOD", sizeof "REQUEST_METHOD" - 1) == NULL) {
        answer(NULL, "");
    } else if (sapi->path_translated == NULL) {
        tsfpm_own_slot_has_no_script();
        tsfpm_message(TSFPM_LEVEL_DEBUG, "", "Primary script unknown");
        answer("HTTP/1.1 404 Not Found", "File not found.\n");
    } else if (!may_run(sapi->path_translated)) {
        deny(sapi->path_translated);
    } else {
        await_script(sapi->path_translated);
    }
}
