/*
 * Which script may run, and php-fpm's answers where none may: php-cgi would run a file of any name, and has words of its
 * own for one that does not exist.
 *
 * By the time PHP starts a request, php-cgi has worked out which file it is: it alone knows its path-info rules. So the
 * look is taken at that moment, at the very path that php-cgi is about to open; a request that is refused is answered by
 * PHP's own output functions, and then no path is left to open, while what php-cgi says to that goes nowhere.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "php-types.h"
#include "runtime.h"

/* main/SAPI.h */
struct header_line {
    const char *line;
    size_t length;
    long response_code;
};
#define SAPI_HEADER_REPLACE 0

#define TEXT_MOST 4096

static struct sapi_globals *sapi;
static struct {
    void *(*get_stat)(void);
    int (*header)(int operation, void *line);
    size_t (*write)(const char *, size_t);
    char *(*param)(const char *, size_t);
    long (*ini_long)(const char *, size_t, int);
} php;

static bool is_possible;
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
    *(void **)&php.ini_long = dlsym(RTLD_DEFAULT, "zend_ini_long");
    is_possible = sapi != NULL && php.get_stat != NULL && php.header != NULL && php.write != NULL &&
                  php.param != NULL && php.ini_long != NULL && tsfpm_finish_prepare() && path_is_where_expected();
}

void tsfpm_main_script_configure(const char *extensions)
{
    limit_extensions = extensions;
    if (extensions != NULL && !is_possible)
        dprintf(STDERR_FILENO, "this version of PHP hides which script it runs: security.limit_extensions is NOT in "
                               "force, files of any name run as PHP\n");
}

/* php-fpm compares the end of the path, byte for byte, without a thought for dots. */
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

/* To the client's stderr stream, as php-fpm's log lines of a request go. */
static void tell_client(const char *text)
{
    if (php.ini_long("fastcgi.logging", sizeof "fastcgi.logging" - 1, 0) != 0)
        tsfpm_worker_write_stderr(text, strlen(text));
}

/* `status` NULL leaves it at 200. */
static void answer(const char *status, const char *body)
{
    tsfpm_worker_hide_broken_connection(true); /* the end of a request that has not started would end the worker */
    if (status != NULL) {
        struct header_line line = {.line = status, .length = strlen(status)};
        php.header(SAPI_HEADER_REPLACE, &line);
    }
    php.write(body, strlen(body));
    tsfpm_finish_answer();
    /* Nothing is left that php-cgi could open, by doc_root or user_dir either. PHP frees the path with all memory of the request. */
    sapi->path_translated = NULL;
    sapi->request_uri = NULL;
}

static void deny(const char *path)
{
    char text[TEXT_MOST];
    snprintf(text, sizeof text, "Access to the script '%s' has been denied (see security.limit_extensions)", path);
    /* The path is the client's: it may not make lines of its own in a log. */
    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f) *at = '.';
    dprintf(STDERR_FILENO, "NOTICE: %s\n", text);
    tell_client(text);
    answer("HTTP/1.1 403 Forbidden", "Access denied.\n");
}

void tsfpm_main_script_check(void)
{
    if (!is_possible) return;
    if (tsfpm_request_ini_is_unsafe()) {
        answer("HTTP/1.1 403 Forbidden", "Access denied.\n");
        return;
    }
    /* php-cgi looks for the method only where there is a script. */
    if (sapi->request_method == NULL && php.param("REQUEST_METHOD", sizeof "REQUEST_METHOD" - 1) == NULL) {
        answer(NULL, "");
    } else if (sapi->path_translated == NULL) {
        tell_client("Primary script unknown");
        answer("HTTP/1.1 404 Not Found", "File not found.\n");
    } else if (!may_run(sapi->path_translated)) {
        deny(sapi->path_translated);
    }
}
