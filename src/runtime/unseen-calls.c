/*
 * What the runtime knows without asking the kernel it knows from calls that it has seen. Not seen is what a script
 * calls through FFI in a library that it opens itself, and what an extension calls that dl() loads in a request.
 */
#define _GNU_SOURCE
#include "unseen-calls.h"

#include <dlfcn.h>
#include <string.h>
#include <strings.h>

#include "libc.h"

static bool always = true; /* until the hooks are in place */

void tsfpm_unseen_calls_prepare(const struct tsfpm_import *hooks, size_t count)
{
    /* They change a signal's action or what is blocked, too, and are so old that nothing calls them. */
    static const char *const without_hook[] = {
        "sigset",  "sighold",      "sigrelse",       "sigignore", "sigblock",    "sigsetmask",
        "ssignal", "sysv_signal", "__sysv_signal", "bsd_signal", "siginterrupt", "sigvec",
    };
    always = !tsfpm_imports_redirect(hooks, count) ||
             tsfpm_imports_have(without_hook, sizeof without_hook / sizeof *without_hook);
}

static char *(*ini_string)(const char *name, size_t length, int original);

/* As the setting is now: a section of php.ini may set it for some folders. NULL: there is no such setting. */
static const char *setting(const char *name)
{
    return ini_string(name, strlen(name), 0);
}

/* ffi.enable: on, off, or "preload", which lets the functions of opcache.preload's script use FFI. */
static bool has_ffi(void)
{
    const char *enabled = setting("ffi.enable");
    if (enabled == NULL || enabled[0] == '\0' || strcmp(enabled, "0") == 0) return false;
    if (strcasecmp(enabled, "preload") != 0) return true;
    const char *script = setting("opcache.preload");
    return script != NULL && script[0] != '\0';
}

/* It is gone under the name that php-fpm has; cgi-fcgi has it where enable_dl is on. */
static bool has_dl(void)
{
    void *(*find_function)(const char *name, size_t length);
    *(void **)&find_function = dlsym(RTLD_DEFAULT, "zend_fetch_function_str");
    return find_function == NULL || find_function("dl", 2) != NULL;
}

bool tsfpm_calls_may_be_unseen(void)
{
    if (always) return true;
    if (ini_string == NULL) {
        *(void **)&ini_string = dlsym(RTLD_DEFAULT, "zend_ini_string");
        always = ini_string == NULL || has_dl();
    }
    return always || has_ffi();
}
