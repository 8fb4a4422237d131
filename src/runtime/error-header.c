/*
 * fastcgi.error_header, a setting of php-fpm that php-cgi lacks: a header, usually a status line, for the answer of a
 * script that a fatal error has ended before headers were sent. php-fpm sets it after the script; the runtime is not
 * called then, and sets it when the headers are about to be sent.
 */
#define _GNU_SOURCE
#include "error-header.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libc.h"
#include "php.h"

#define NAME "fastcgi.error_header"
#define ERROR_REPORTING "error_reporting"

/* Zend/zend_ini.h, struct _zend_ini_entry_def */
struct ini_definition {
    const char *name;
    void *on_modify, *arguments[3];
    const char *value;
    void *displayer;
    uint32_t value_length;
    uint16_t name_length;
    uint8_t modifiable;
};

/* Zend/zend_globals.h, struct _zend_executor_globals: of PHP 7.4 to 8.4, and since */
#define ERROR_REPORTING_AT 424
#define EXIT_STATUS_AT 428
#define EXIT_STATUS_AT_8_5 448
/* What PHP makes the exit status of a script that a fatal error ended. */
#define FATAL_ERROR 255

static struct {
    int (*header)(int operation, void *line);
    char *(*ini_string)(const char *, size_t, int);
    long (*ini_long)(const char *, size_t, int);
    int (*send_headers)(struct sapi_headers *);
} php;
static struct sapi_globals *sapi;
static int *exit_status; /* NULL where this PHP keeps it in another place */

static const char *wanted_header(void)
{
    const char *header = php.ini_string(NAME, sizeof NAME - 1, 0);
    return header != NULL ? header : "";
}

void tsfpm_error_header_request_starts(void)
{
    if (exit_status != NULL) *exit_status = 0; /* php-cgi leaves there what an earlier request ended with */
}

static int on_send_headers(struct sapi_headers *headers)
{
    /*
     * PHP first notes that headers are sent, and from then on refuses to set one. Where that note is not found at its
     * place, nothing is done.
     */
    if (*exit_status == FATAL_ERROR && tsfpm_role == TSFPM_ROLE_WORKER && sapi->headers_sent == 1) {
        const char *header = wanted_header();
        struct header_line line = {.line = header, .length = strlen(header)};
        sapi->headers_sent = 0;
        if (line.length > 0) php.header(SAPI_HEADER_REPLACE, &line);
        sapi->headers_sent = 1;
    }
    return php.send_headers(headers);
}

/* The field before it holds a value that PHP also tells: where both agree, this PHP is laid out as expected. */
static int *find_exit_status(const char *version)
{
    char *globals = dlsym(RTLD_DEFAULT, "executor_globals");
    if (globals == NULL || version == NULL) return NULL;
    int major = 0, minor = 0;
    sscanf(version, "%d.%d", &major, &minor);
    bool since_8_5 = major > 8 || (major == 8 && minor >= 5);
    int reporting = *(const int *)(const void *)(globals + ERROR_REPORTING_AT);
    const char *set = php.ini_string(ERROR_REPORTING, sizeof ERROR_REPORTING - 1, 0);
    long expected = php.ini_long(ERROR_REPORTING, sizeof ERROR_REPORTING - 1, 0);
    /* Without a setting it is E_ALL, before PHP 8 without E_NOTICE. */
    bool is_there = set != NULL && *set != '\0' ? reporting == expected : reporting == 32767 || reporting == 32759;
    if (!is_there) return NULL;
    return (int *)(void *)(globals + (since_8_5 ? EXIT_STATUS_AT_8_5 : EXIT_STATUS_AT));
}

void tsfpm_error_header_start(int module_number)
{
    static const struct ini_definition definitions[] = {
        {.name = NAME, .name_length = sizeof NAME - 1, .modifiable = ZEND_INI_SYSTEM},
        {.name = NULL},
    };
    int (*register_settings)(const struct ini_definition *, int);
    *(void **)&register_settings = dlsym(RTLD_DEFAULT, "zend_register_ini_entries");
    *(void **)&php.header = dlsym(RTLD_DEFAULT, "sapi_header_op");
    *(void **)&php.ini_string = dlsym(RTLD_DEFAULT, "zend_ini_string");
    *(void **)&php.ini_long = dlsym(RTLD_DEFAULT, "zend_ini_long");
    sapi = dlsym(RTLD_DEFAULT, "sapi_globals");
    struct sapi_module *module = tsfpm_sapi_module();
    if (register_settings == NULL || php.header == NULL || php.ini_string == NULL || php.ini_long == NULL ||
        sapi == NULL || module == NULL || module->send_headers == NULL)
        return;
    register_settings(definitions, module_number);
    exit_status = find_exit_status(tsfpm_php_version);
    if (exit_status != NULL) {
        php.send_headers = module->send_headers;
        module->send_headers = on_send_headers;
    } else if (*wanted_header() != '\0') {
        dprintf(STDERR_FILENO, "this version of PHP hides how a script ended: " NAME " is NOT in force\n");
    }
}
