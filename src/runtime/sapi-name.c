/*
 * PHP_SAPI: php-cgi calls itself cgi-fcgi, and applications test for php-fpm's fpm-fcgi before they call what only that
 * one has. The name is changed when PHP loads the runtime: its constants are there by then, and opcache, which knows
 * both names and may preload scripts that read it, has not started yet.
 */
#define _GNU_SOURCE
#include "sapi-name.h"

#include <dlfcn.h>
#include <string.h>

#include "libc.h"
#include "php.h"

/* main/SAPI.h, the start of sapi_module_struct */
struct sapi_names {
    const char *name;
    const char *pretty_name; /* phpinfo()'s "Server API" */
};

static char wanted[32];

void tsfpm_sapi_name_take(const char *name)
{
    if (name == NULL) return;
    if (strlen(name) >= sizeof wanted) tsfpm_die("php_sapi_name is too long");
    memcpy(wanted, name, strlen(name) + 1);
}

/* Functions that php-fpm lacks: applications ask whether they exist, to know where they run. */
static void hide_functions(void)
{
    void (*disable_all)(const char *);
    int (*disable)(const char *, size_t); /* PHP 7.4 */
    *(void **)&disable_all = dlsym(RTLD_DEFAULT, "zend_disable_functions");
    *(void **)&disable = dlsym(RTLD_DEFAULT, "zend_disable_function");
    if (disable_all != NULL) {
        disable_all("apache_response_headers,apache_child_terminate,chroot");
    } else if (disable != NULL) {
        disable("apache_response_headers", sizeof "apache_response_headers" - 1);
        disable("apache_child_terminate", sizeof "apache_child_terminate" - 1);
        disable("chroot", sizeof "chroot" - 1);
    }
}

void tsfpm_sapi_name_set(void)
{
    struct sapi_names *sapi = dlsym(RTLD_DEFAULT, "sapi_module");
    struct zval *(*get_constant)(const char *, size_t);
    *(void **)&get_constant = dlsym(RTLD_DEFAULT, "zend_get_constant_str");
    if (wanted[0] == '\0' || sapi == NULL || sapi->name == NULL || strcmp(sapi->name, wanted) == 0) return;
    struct zval *constant = get_constant != NULL ? get_constant("PHP_SAPI", sizeof "PHP_SAPI" - 1) : NULL;
    bool is_text = constant != NULL && (uint8_t)constant->types == ZEND_TYPE_STRING;
    struct zend_string *old = is_text ? constant->pointer : NULL;
    /* Only where the constant is found, with the value that it must have, is it changed. */
    if (old == NULL || strcmp(old->value, sapi->name) != 0)
        tsfpm_die("this php-cgi keeps its name where the runtime does not find it: set php_sapi_name = cgi-fcgi");
    constant->pointer = tsfpm_permanent_string(wanted);
    constant->types = ZEND_TYPE_STRING; /* not counted */
    sapi->name = wanted;
    if (strcmp(wanted, "fpm-fcgi") != 0) return;
    sapi->pretty_name = "FPM/FastCGI";
    hide_functions();
}
