/*
 * A stand-in for a php-cgi of another build: it exports what the runtime looks at, loads the extension that it is given
 * on the command line as PHP would, and ends with code 3. Compiled by a test, with -D for what is to be different.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef VERSION
#define VERSION "8.2.0"
#endif
#ifndef ZTS
#define ZTS 0
#endif
#ifndef ENTRY_SIZE
#define ENTRY_SIZE 168
#endif
#ifndef SAPI
#define SAPI "cgi-fcgi"
#endif

static const void *const functions[] = {"one", NULL, NULL, NULL, "two", NULL, NULL, NULL, NULL};

static struct {
    unsigned short size;
    unsigned int zend_api;
    unsigned char zend_debug, zts;
    const void *ini_entry, *deps;
    const char *name;
    const void *functions;
    const void *handlers[5];
    const char *version;
    char rest[168];
} standard = {.size = ENTRY_SIZE, .zts = ZTS, .name = "standard", .functions = functions, .version = VERSION};

static struct {
    const void *pointer;
    uint64_t type;
} value = {&standard, 17};

char module_registry[64];
const void *sapi_module[32] = {SAPI, SAPI};

#ifndef LACKS_SYMBOLS
const void *zend_hash_str_find(const void *table, const char *name, size_t length)
{
    return table == module_registry && length == 8 && strcmp(name, "standard") == 0 ? &value : NULL;
}
size_t zend_memory_peak_usage(int real)
{
    return (size_t)real;
}
int zend_alter_ini_entry_chars(void)
{
    return -1;
}
#endif

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-dextension=", 12) != 0) continue;
        void *library = dlopen(argv[i] + 12, RTLD_NOW);
        void *(*get_module)(void);
        *(void **)&get_module = library != NULL ? dlsym(library, "get_module") : NULL;
        fprintf(stderr, "the extension says %s\n", get_module != NULL && get_module() != NULL ? "yes" : "no");
    }
    return 3;
}
