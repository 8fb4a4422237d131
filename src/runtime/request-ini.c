/*
 * Settings that the web server sends with a request, as lines of an ini file in the params PHP_VALUE and
 * PHP_ADMIN_VALUE. PHP takes back at a request's end what was set after its start, so they end with the request; under
 * php-fpm they stay in the worker for whoever comes next.
 *
 * They are applied where php-cgi prepares a request, before it reads .user.ini, starts output buffers and sessions. The
 * pool's php_admin_value comes after them, at the start of the extensions, and wins.
 */
#define _GNU_SOURCE
#include "request-ini.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libc.h"
#include "messages.h"
#include "php.h"

/* Zend/zend_ini_parser.h, zend_ini_scanner.h */
#define ZEND_INI_PARSER_ENTRY 1
#define ZEND_INI_SCANNER_NORMAL 0

typedef void ini_callback(struct zval *key, struct zval *value, struct zval *index, int kind, void *context);

static struct {
    int (*parse)(char *text, bool unbuffered_errors, int mode, ini_callback *, void *context);
    int (*alter)(struct zend_string *, const char *, size_t, int type, int stage, bool force);
    char *(*param)(const char *, size_t);
    char *(*ini_string)(const char *, size_t, int, bool *exists);
    int (*activate)(void);
} php;

static const char *text_of(const struct zval *value)
{
    if (value == NULL || (uint8_t)value->types != ZEND_TYPE_STRING) return NULL;
    return ((const struct zend_string *)value->pointer)->value;
}

static void complain(const char *format, const char *key)
{
    char text[512];
    snprintf(text, sizeof text, format, key);
    tsfpm_message(TSFPM_LEVEL_ERROR, "Passing INI directive through FastCGI: ", text);
}

/* The request asks for a restriction that PHP cannot set for one request: its script must not run without it. */
static bool is_unsafe;

bool tsfpm_request_ini_is_unsafe(void)
{
    return is_unsafe;
}

static bool apply(struct zend_string *key, const char *value, int type)
{
    /* PHP cannot undo these at the request's end: only a pool can have them. Its caller tells of that. */
    if (strcmp(key->value, "disable_functions") == 0 || strcmp(key->value, "disable_classes") == 0) {
        is_unsafe = true;
        return false;
    }
    if (strcmp(key->value, "extension") == 0) return false;
    /* As under php-fpm either param may set what otherwise only php.ini may set; the second one also locks it. */
    if (php.alter(key, value, strlen(value), type, ZEND_INI_STAGE_ACTIVATE, true) == 0) return true;
    /* It failed. Where the setting exists, its owner has refused the value, and has said so itself. */
    bool exists = false;
    if (php.ini_string != NULL) php.ini_string(key->value, key->length, 0, &exists);
    return exists;
}

static void on_entry(struct zval *key, struct zval *value, struct zval *index, int kind, void *context)
{
    (void)index;
    const char *name = text_of(key), *text = text_of(value);
    if (key == NULL) return;
    if (kind != ZEND_INI_PARSER_ENTRY) complain("only classic entries are allowed%s", "");
    else if (name == NULL || name[0] == '\0') complain("empty key%s", "");
    else if (text == NULL) complain("empty value for key '%s'", name);
    else if (!apply(key->pointer, text, *(const int *)context)) complain("unable to set '%s'", name);
}

static void take(const char *param, int type)
{
    const char *text = php.param(param, strlen(param)); /* PHP's memory, of this request */
    const char *own = getenv(param);                    /* which is no param, but stands in for one that is missing */
    if (text == NULL || (own != NULL && strcmp(own, text) == 0)) return;
    char *lines;
    if (asprintf(&lines, "%s\n", text) < 0) return;
    php.parse(lines, true, ZEND_INI_SCANNER_NORMAL, on_entry, &type);
    free(lines);
}

static int activate(void)
{
    is_unsafe = false;
    if (tsfpm_role == TSFPM_ROLE_WORKER) {
        take("PHP_VALUE", ZEND_INI_USER);
        take("PHP_ADMIN_VALUE", ZEND_INI_SYSTEM);
    }
    return php.activate();
}

void tsfpm_request_ini_prepare(void)
{
    struct sapi_module *sapi = tsfpm_sapi_module();
    *(void **)&php.parse = dlsym(RTLD_DEFAULT, "zend_parse_ini_string");
    *(void **)&php.alter = dlsym(RTLD_DEFAULT, "zend_alter_ini_entry_chars_ex");
    *(void **)&php.ini_string = dlsym(RTLD_DEFAULT, "zend_ini_string_ex");
    *(void **)&php.param = dlsym(RTLD_DEFAULT, "sapi_getenv");
    if (sapi == NULL || php.parse == NULL || php.alter == NULL || php.param == NULL) return;
    php.activate = sapi->activate;
    sapi->activate = activate;
}
