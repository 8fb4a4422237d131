/*
 * Settings of PHP, changed for good. PHP's own functions undo every change at the end of a request; so the value is put
 * where PHP keeps the one that it started with.
 *
 * The table of all settings is a member of executor_globals whose place differs between versions. It is looked for: the
 * member that points to a table with `memory_limit` in it, whose entry bears that name.
 */
#define _GNU_SOURCE
#include "ini-values.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "libc.h"
#include "php.h"

/* Zend/zend_types.h, a table's start */
struct hash_table {
    uint32_t refcount, type_info, flags, mask;
    void *data;
    uint32_t used, count, size;
};
#define TYPE_ARRAY 7u

/* Zend/zend_ini.h, 7.4 to 8.5 */
struct ini_entry {
    struct zend_string *name;
    int (*on_modify)(struct ini_entry *, struct zend_string *, void *, void *, void *, int stage);
    void *arguments[3];
    struct zend_string *value, *value_before;
    void (*displayer)(struct ini_entry *, int);
    int module_number;
    uint8_t modifiable, modifiable_before, is_modified;
};

#define KNOWN_SETTING "memory_limit"
#define WORDS 512 /* more than executor_globals has; what follows is looked at, and is no such table */

static const void *settings;
static struct zval *(*find)(const void *, const char *, size_t);
static int (*disable_functions)(const char *);          /* 8.0 on: all of a list */
static int (*disable_function)(const char *, size_t);   /* 7.4: one */

static struct ini_entry *entry_in(const void *table, const char *name)
{
    const struct zval *found = find(table, name, strlen(name));
    return found != NULL ? found->pointer : NULL;
}

/* Whatever `address` is: what is read there looks like a table of PHP's with many entries. */
static bool is_table(int memory, uintptr_t address)
{
    struct hash_table table;
    if (address == 0 || address % sizeof(void *) != 0) return false;
    if (pread(memory, &table, sizeof table, (off_t)address) != (ssize_t)sizeof table) return false;
    bool is_power_of_2 = table.size != 0 && (table.size & (table.size - 1)) == 0;
    return (table.type_info & 15) == TYPE_ARRAY && is_power_of_2 && table.mask == -2u * table.size &&
           table.count <= table.used && table.used <= table.size && table.count > 32;
}

static bool bears_its_name(int memory, const struct ini_entry *entry)
{
    struct ini_entry copy;
    char text[sizeof(struct zend_string) + sizeof KNOWN_SETTING];
    return entry != NULL && pread(memory, &copy, sizeof copy, (off_t)(uintptr_t)entry) == (ssize_t)sizeof copy &&
           pread(memory, text, sizeof text, (off_t)(uintptr_t)copy.name) == (ssize_t)sizeof text &&
           memcmp(text + offsetof(struct zend_string, value), KNOWN_SETTING, sizeof KNOWN_SETTING) == 0;
}

bool tsfpm_ini_values_prepare(void)
{
    *(void **)&find = dlsym(RTLD_DEFAULT, "zend_hash_str_find");
    *(void **)&disable_functions = dlsym(RTLD_DEFAULT, "zend_disable_functions");
    *(void **)&disable_function = dlsym(RTLD_DEFAULT, "zend_disable_function");
    const uintptr_t *words = dlsym(RTLD_DEFAULT, "executor_globals");
    if (find == NULL || words == NULL) return false;
    int memory = tsfpm_libc()->open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    if (memory < 0) return false;
    uintptr_t word;
    for (size_t i = 0; i < WORDS && settings == NULL; i++) {
        if (pread(memory, &word, sizeof word, (off_t)(uintptr_t)(words + i)) != (ssize_t)sizeof word) break;
        if (!is_table(memory, word)) continue;
        const void *table = (const void *)word;
        if (bears_its_name(memory, entry_in(table, KNOWN_SETTING))) settings = table;
    }
    tsfpm_libc()->close(memory);
    return settings != NULL;
}

/* A list that PHP reads once, at its start. */
static void disable(const char *list)
{
    if (disable_functions != NULL) {
        disable_functions(list);
        return;
    }
    if (disable_function == NULL) return;
    for (const char *at = list; *at != '\0';) {
        size_t length = strcspn(at, ", ");
        if (length > 0) disable_function(at, length);
        at += length;
        at += strspn(at, ", ");
    }
}

void tsfpm_ini_values_set(const char *name, const char *value)
{
    if (settings == NULL) return; /* no template has prepared it: PHP has the value from its command line */
    struct ini_entry *entry = entry_in(settings, name);
    if (entry == NULL) return;
    struct zend_string *text = tsfpm_permanent_string(value);
    void **arguments = entry->arguments;
    if (entry->on_modify != NULL &&
        entry->on_modify(entry, text, arguments[0], arguments[1], arguments[2], ZEND_INI_STAGE_ACTIVATE) != 0)
        return;
    entry->value = text;
    if (strcmp(name, "disable_functions") == 0) disable(value);
}
