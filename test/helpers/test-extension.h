/*
 * What an extension of the tests begins with, without PHP's headers, as src/runtime/module.c does: it defines `module`
 * with its name and functions.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

#include "../../src/runtime/php.h"

/* Like in src/runtime/libc.h: a php-cgi may bring an older glibc along. */
#if defined(__x86_64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5");
#endif

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
