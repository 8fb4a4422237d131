/*
 * php_admin_value: the values themselves were given on php-cgi's command line. Setting them again with the right of the
 * system is what keeps a script's ini_set() and .user.ini from changing them, for one request; PHP undoes it at the
 * request's end.
 */
#define _GNU_SOURCE
#include "locked-values.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "libc.h"
#include "php.h"

static int (*alter_ini)(struct zend_string *name, const char *value, size_t length, int modify_type, int stage);

static struct {
    struct zend_string *name;
    const char *value;
    size_t length;
} *locked;
static size_t locked_count;

bool tsfpm_locked_values_prepare(void)
{
    *(void **)&alter_ini = dlsym(RTLD_DEFAULT, "zend_alter_ini_entry_chars");
    return alter_ini != NULL;
}

void tsfpm_locked_values_take(char *const *names, char *const *values, size_t count)
{
    if (count == 0) return;
    locked = calloc(count, sizeof *locked);
    if (locked == NULL) tsfpm_die("no memory for php_admin_value");
    for (size_t i = 0; i < count; i++) {
        /*
         * opcache's settings are for its start: nearly none can be changed by scripts, and setting one again makes
         * opcache warn in every request, of enable that it "can't be temporarily enabled" and, under the name
         * fpm-fcgi, of sizes that are already in use.
         */
        if (strncmp(names[i], "opcache.", sizeof "opcache." - 1) == 0) continue;
        locked[locked_count].name = tsfpm_permanent_string(names[i]);
        locked[locked_count].value = values[i];
        locked[locked_count].length = strlen(values[i]);
        locked_count++;
    }
}

void tsfpm_locked_values_set(void)
{
    for (size_t i = 0; i < locked_count; i++)
        alter_ini(locked[i].name, locked[i].value, locked[i].length, ZEND_INI_SYSTEM, ZEND_INI_STAGE_ACTIVATE);
}
