/*
 * What scripts see of a request's params as variables, where php-cgi differs from php-fpm: getenv() without a name
 * returns them too, and a REDIRECT_URL that was hidden from php-cgi (request-head.h) is there under its own name.
 */
#define _GNU_SOURCE
#include "environment.h"

#include <dlfcn.h>
#include <string.h>

#include "libc.h"
#include "php.h"
#include "request-head.h"

#define REDIRECT_URL "REDIRECT_URL"
#define ORDER "variables_order"
#define ORDER_MOST 32 /* five letters mean something, so that a longer one repeats them */
#define TYPE_IS_COUNTED 0x0000ff00u /* Zend/zend_types.h: flags beside a value's type */

#define WORDS_OF_SAPI 40 /* more than sapi_module_struct has: what lies behind it stays as it is */

typedef void import_function(struct zval *array);
typedef unsigned int filter_function(int, const char *, char **, size_t, size_t *);

static filter_function **input_filter;

static struct {
    import_function *import;
    char *(*param)(const char *, size_t);
    struct zval *(*find)(const void *, const char *, size_t);
    struct zval *(*update)(void *, const char *, size_t, struct zval *);
    int (*remove)(void *, const char *, size_t);
    int (*alter)(struct zend_string *, const char *, size_t, int type, int stage, bool force);
    char *(*ini_string)(const char *, size_t, int);
} php;
static struct zend_string *order_name;

static void import(struct zval *array)
{
    php.import(array);
    struct zval *found = php.find(array->pointer, TSFPM_HIDDEN_REDIRECT_URL, sizeof TSFPM_HIDDEN_REDIRECT_URL - 1);
    if (found == NULL) return;
    struct zval value = *found;
    if (value.types & TYPE_IS_COUNTED) ++*(uint32_t *)value.pointer; /* for its second place, until the first goes */
    php.update(array->pointer, REDIRECT_URL, sizeof REDIRECT_URL - 1, &value);
    php.remove(array->pointer, TSFPM_HIDDEN_REDIRECT_URL, sizeof TSFPM_HIDDEN_REDIRECT_URL - 1);
}

/* In place of the filter extension's function, which puts every variable into $_SERVER, whichever array asks for it. */
static unsigned int pass(int source, const char *name, char **value, size_t length, size_t *new_length)
{
    (void)source, (void)name, (void)value;
    if (new_length != NULL) *new_length = length;
    return 1;
}

static void set_order(const char *order)
{
    php.alter(order_name, order, strlen(order), ZEND_INI_SYSTEM, ZEND_INI_STAGE_RUNTIME, true);
}

/*
 * getenv() without a name. Where variables_order has an E, php-cgi would return a copy of $_ENV: what putenv() has
 * changed since that was made would be missing, and so would HTTP_PROXY. Without the E it reads the variables
 * themselves.
 */
static void load(struct zval *array)
{
    char order[ORDER_MOST];
    const char *now = php.alter != NULL && php.ini_string != NULL ? php.ini_string(ORDER, sizeof ORDER - 1, 0) : NULL;
    bool hides_order = now != NULL && strpbrk(now, "Ee") != NULL && strlen(now) < sizeof order;
    filter_function *usual = input_filter != NULL ? *input_filter : NULL;
    if (usual != NULL) *input_filter = pass;
    if (hides_order) {
        strcpy(order, now); /* the next step frees it */
        set_order("S");
    }
    import(array);
    if (hides_order) set_order(order);
    if (usual != NULL) *input_filter = usual;
}

/* Where PHP keeps its input filter: the word of sapi_module that changes when another one is registered. */
static filter_function **find_filter(struct sapi_module *sapi)
{
    int (*give)(filter_function *, unsigned int (*)(void));
    filter_function **words = (filter_function **)sapi, *before[WORDS_OF_SAPI];
    filter_function **found = NULL;
    *(void **)&give = dlsym(RTLD_DEFAULT, "sapi_register_input_filter");
    if (give == NULL) return NULL;
    memcpy(before, words, sizeof before);
    give(pass, NULL);
    for (size_t i = 0; i < WORDS_OF_SAPI; i++)
        if (words[i] == pass && found == NULL) found = &words[i];
    for (size_t i = 0; i < WORDS_OF_SAPI; i++)
        if (words[i] != before[i]) words[i] = before[i];
    return found;
}

static char *param(const char *name, size_t length)
{
    bool is_hidden = length == sizeof REDIRECT_URL - 1 && memcmp(name, REDIRECT_URL, length) == 0;
    char *hidden = is_hidden ? php.param(TSFPM_HIDDEN_REDIRECT_URL, sizeof TSFPM_HIDDEN_REDIRECT_URL - 1) : NULL;
    return hidden != NULL ? hidden : php.param(name, length);
}

void tsfpm_environment_prepare(void)
{
    struct sapi_module *sapi = tsfpm_sapi_module();
    if (sapi == NULL) return;
    php.param = sapi->getenv;
    sapi->getenv = param;
    input_filter = find_filter(sapi);
}

void tsfpm_environment_configure(void)
{
    import_function **importer = dlsym(RTLD_DEFAULT, "php_import_environment_variables");
    import_function **loader = dlsym(RTLD_DEFAULT, "php_load_environment_variables");
    *(void **)&php.find = dlsym(RTLD_DEFAULT, "zend_hash_str_find");
    *(void **)&php.update = dlsym(RTLD_DEFAULT, "zend_hash_str_update");
    *(void **)&php.remove = dlsym(RTLD_DEFAULT, "zend_hash_str_del");
    *(void **)&php.alter = dlsym(RTLD_DEFAULT, "zend_alter_ini_entry_chars_ex");
    *(void **)&php.ini_string = dlsym(RTLD_DEFAULT, "zend_ini_string");
    order_name = tsfpm_permanent_string(ORDER);
    if (importer == NULL || *importer == NULL || php.find == NULL || php.update == NULL || php.remove == NULL) return;
    php.import = *importer;
    *importer = import;
    if (loader != NULL) *loader = load;
}
