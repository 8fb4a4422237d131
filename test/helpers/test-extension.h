/*
 * What an extension of the tests begins with, without PHP's headers, as src/runtime/module.c does: it defines `module`
 * with its name and functions.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

/* Like in src/runtime/libc.h: a php-cgi may bring an older glibc along. */
#if defined(__x86_64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5");
#endif

struct module_entry {
    unsigned short size;
    unsigned int zend_api;
    unsigned char zend_debug, zts;
    const void *ini_entry, *deps;
    const char *name;
    const void *functions;
    int (*module_startup)(int type, int module_number);
    int (*module_shutdown)(int type, int module_number);
    int (*request_startup)(int type, int module_number);
    int (*request_shutdown)(int type, int module_number);
    void (*info)(struct module_entry *);
    const char *version;
    size_t globals_size;
    void *globals;
    void (*globals_ctor)(void *), (*globals_dtor)(void *);
    int (*post_deactivate)(void);
    int module_started;
    unsigned char type;
    void *handle;
    int module_number;
    const char *build_id;
};

static struct module_entry module;

__attribute__((visibility("default"))) struct module_entry *get_module(void)
{
    struct { struct module_entry *entry; } *(*find)(const void *, const char *, size_t);
    *(void **)&find = dlsym(RTLD_DEFAULT, "zend_hash_str_find");
    const struct module_entry *standard = find(dlsym(RTLD_DEFAULT, "module_registry"), "standard", 8)->entry;
    module.zend_api = standard->zend_api;
    module.zend_debug = standard->zend_debug;
    module.zts = standard->zts;
    module.build_id = standard->build_id;
    return &module;
}
