#define _GNU_SOURCE
#include "libc.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum tsfpm_role tsfpm_role = TSFPM_ROLE_NONE;

/* Resolved at the first call: constructors of other libraries may call a hook before our own constructor has run. */
const struct tsfpm_libc *tsfpm_libc(void)
{
    static struct tsfpm_libc libc;
    static bool resolved;
    if (__builtin_expect(!__atomic_load_n(&resolved, __ATOMIC_ACQUIRE), 0)) {
        *(void **)&libc.accept = dlsym(RTLD_NEXT, "accept");
        *(void **)&libc.poll = dlsym(RTLD_NEXT, "poll");
        *(void **)&libc.read = dlsym(RTLD_NEXT, "read");
        *(void **)&libc.write = dlsym(RTLD_NEXT, "write");
        *(void **)&libc.recv = dlsym(RTLD_NEXT, "recv");
        *(void **)&libc.shutdown = dlsym(RTLD_NEXT, "shutdown");
        *(void **)&libc.close = dlsym(RTLD_NEXT, "close");
        *(void **)&libc.fork = dlsym(RTLD_NEXT, "fork");
        *(void **)&libc.setsid = dlsym(RTLD_NEXT, "setsid");
        *(void **)&libc.open = dlsym(RTLD_NEXT, "open");
        *(void **)&libc.sigaction = dlsym(RTLD_NEXT, "sigaction");
        *(void **)&libc.signal = dlsym(RTLD_NEXT, "signal");
        *(void **)&libc.sigprocmask = dlsym(RTLD_NEXT, "sigprocmask");
        *(void **)&libc.pthread_sigmask = dlsym(RTLD_NEXT, "pthread_sigmask");
        *(void **)&libc.execv = dlsym(RTLD_NEXT, "execv");
        *(void **)&libc.execve = dlsym(RTLD_NEXT, "execve");
        *(void **)&libc.getcwd = dlsym(RTLD_NEXT, "getcwd");
        *(void **)&libc.chdir = dlsym(RTLD_NEXT, "chdir");
        *(void **)&libc.fchdir = dlsym(RTLD_NEXT, "fchdir");
        *(void **)&libc.fcntl = dlsym(RTLD_NEXT, "fcntl");
        *(void **)&libc.getitimer = dlsym(RTLD_NEXT, "getitimer");
        *(void **)&libc.setitimer = dlsym(RTLD_NEXT, "setitimer");
        __atomic_store_n(&resolved, true, __ATOMIC_RELEASE);
    }
    return &libc;
}

_Noreturn void tsfpm_die(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0) length = 0;
    if ((size_t)length > sizeof line - 2) length = sizeof line - 2;
    line[length] = '\n';
    ssize_t written = write(STDERR_FILENO, line, (size_t)length + 1);
    (void)written; /* nobody is left to tell */
    _exit(70);
}
