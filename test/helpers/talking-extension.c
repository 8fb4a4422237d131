/*
 * A PHP extension that does nothing but speak when its module starts and ends, in each way that an extension has: a
 * warning of PHP's, a text for the page, and stderr.
 */
#include "test-extension.h"

#include <stdio.h>

#define E_WARNING 2

static void speak(const char *when)
{
    void (*warn)(int, const char *, ...);
    size_t (*print)(const char *, ...);
    *(void **)&warn = dlsym(RTLD_DEFAULT, "zend_error");
    *(void **)&print = dlsym(RTLD_DEFAULT, "php_printf");
    fprintf(stderr, "talking: %s on stderr\n", when);
    print("talking: %s on the page\n", when);
    warn(E_WARNING, "talking: %s as a warning", when);
}

static int start(int type, int module_number)
{
    (void)type;
    (void)module_number;
    speak("start");
    return 0;
}

static int end(int type, int module_number)
{
    (void)type;
    (void)module_number;
    speak("end");
    return 0;
}

static struct module_entry module = {
    .size = sizeof(struct module_entry),
    .name = "talking",
    .version = "1",
    .module_startup = start,
    .module_shutdown = end,
};
