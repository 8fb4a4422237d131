#define _GNU_SOURCE
#include "php.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "libc.h"

const char *tsfpm_php_version;

/* The first word says how many arguments a function demands. */
const uint64_t tsfpm_no_arguments[8];

size_t tsfpm_function_words(const void *functions)
{
    const void *const *words = functions;
    /* In the shorter form the second function's name follows the first function at once. */
    return words[4] != NULL ? 4 : TSFPM_FUNCTION_WORDS_MOST;
}

struct sapi_module *tsfpm_sapi_module(void)
{
    struct sapi_module *sapi = dlsym(RTLD_DEFAULT, "sapi_module");
    /* Every SAPI has zend_error in the middle of these fields: where that is found, the others are in their places. */
    bool is_known = sapi != NULL && *(void **)&sapi->error == dlsym(RTLD_DEFAULT, "zend_error") &&
                    sapi->activate != NULL && sapi->getenv != NULL && sapi->read_post != NULL &&
                    sapi->log_message != NULL;
    return is_known ? sapi : NULL;
}

struct zend_string *tsfpm_permanent_string(const char *text)
{
    size_t length = strlen(text);
    struct zend_string *string = malloc(sizeof *string + length + 1);
    if (string == NULL) tsfpm_die("no memory for a text of %zu bytes", length);
    string->refcount = 1;
    string->type_info = ZEND_TYPE_STRING | ZEND_GC_IMMUTABLE | ZEND_GC_PERSISTENT;
    string->hash = 0;
    string->length = length;
    memcpy(string->value, text, length + 1);
    return string;
}

bool tsfpm_php_is_exposed(void)
{
    long (*ini_long)(const char *, size_t, int);
    *(void **)&ini_long = dlsym(RTLD_DEFAULT, "zend_ini_long");
    return ini_long == NULL || ini_long("expose_php", sizeof "expose_php" - 1, 0) != 0;
}

/* A global of PHP that holds a text or NULL. */
static const char *exported_text(const char *name)
{
    char *const *text = dlsym(RTLD_DEFAULT, name);
    return text != NULL && *text != NULL ? *text : "";
}

const char *tsfpm_php_ini_file(void)
{
    return exported_text("php_ini_opened_path");
}

const char *tsfpm_php_ini_scanned(void)
{
    return exported_text("php_ini_scanned_files");
}
