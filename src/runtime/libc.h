/*
 * What every file of the runtime needs: libc's own functions, which the hooks stand in front of; the role of this
 * process; the end of a start that cannot go on.
 *
 * The runtime is one shared object that a stock php-cgi loads twice over: by LD_PRELOAD, so that it stands in front of
 * a few libc calls (preload.c), and as a PHP extension, so that it sees requests begin and end (module.c). It turns the
 * php-cgi that the master starts into a zygote (zygote.c), and the processes forked from it into workers (worker.c).
 *
 * Calls among its files go in one direction, from those four down to libc.c, php.c and title.c; a test finds circles.
 */
#ifndef TSFPM_LIBC_H
#define TSFPM_LIBC_H

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

/* For what is found by its name: the hooks, by whoever calls libc, and get_module(), by PHP. All else is hidden. */
#define TSFPM_EXPORT __attribute__((visibility("default")))

/*
 * A php-cgi may bring along an older glibc than the one here: another release's, in a folder of its own. Functions that
 * a newer glibc has given a new version or name, though they are the same as ever, are asked for by their first one,
 * which is in all of them; else the runtime would not load there (old-glibc.c has more). Files that call one of these
 * include this header; a test looks at the versions that the library asks for.
 */
#if defined(__x86_64__)
#define TSFPM_FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define TSFPM_FIRST_GLIBC "GLIBC_2.17"
#endif
#ifdef TSFPM_FIRST_GLIBC
__asm__(".symver dlsym, dlsym@" TSFPM_FIRST_GLIBC);                /* since 2.34 in another library */
__asm__(".symver __isoc23_strtol, strtol@" TSFPM_FIRST_GLIBC);     /* since 2.38 with 0b101 */
__asm__(".symver __isoc23_strtoul, strtoul@" TSFPM_FIRST_GLIBC);
__asm__(".symver __isoc23_sscanf, sscanf@" TSFPM_FIRST_GLIBC);
#endif

/* What this process is. A hook acts in some roles and is a plain libc call in all others. */
enum tsfpm_role {
    TSFPM_ROLE_NONE,     /* not started by tsfpm, or a program that a script started */
    TSFPM_ROLE_STARTING, /* php-cgi loads its extensions: setsid() is awaited */
    TSFPM_ROLE_ARMED,    /* setsid() was called: the next fork() is php-cgi's own, and becomes the zygote's loop */
    TSFPM_ROLE_TEMPLATE, /* zygotes are forked from it */
    TSFPM_ROLE_ZYGOTE,
    TSFPM_ROLE_WORKER,
    TSFPM_ROLE_ERRAND,       /* does one thing for the master, as the pool's user (errand.c); never meets a client */
    TSFPM_ROLE_SCRIPT_CHILD, /* forked by a script from its worker: shares the client's connection, and nothing else */
};
extern enum tsfpm_role tsfpm_role;

/* libc's own functions: the runtime's hooks stand in front of them in this process. */
struct tsfpm_libc {
    int (*accept)(int, struct sockaddr *, socklen_t *);
    int (*poll)(struct pollfd *, nfds_t, int);
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*recv)(int, void *, size_t, int);
    int (*shutdown)(int, int);
    int (*close)(int);
    pid_t (*fork)(void);
    pid_t (*setsid)(void);
    int (*open)(const char *, int, ...);
    int (*sigaction)(int, const struct sigaction *, struct sigaction *);
    void (*(*signal)(int, void (*)(int)))(int);
    int (*sigprocmask)(int, const sigset_t *, sigset_t *);
    int (*pthread_sigmask)(int, const sigset_t *, sigset_t *);
    int (*execv)(const char *, char *const[]);
    int (*execve)(const char *, char *const[], char *const[]);
    char *(*getcwd)(char *, size_t);
    int (*chdir)(const char *);
    int (*fchdir)(int);
    int (*fcntl)(int, int, ...);
    int (*getitimer)(int, struct itimerval *);
    int (*setitimer)(int, const struct itimerval *, struct itimerval *);
};
const struct tsfpm_libc *tsfpm_libc(void);

/* For a start that cannot go on: one line on stderr, which the master logs, and this process ends with code 70. */
_Noreturn void tsfpm_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
