/*
 * The hooks: libc calls of php-cgi that the runtime stands in front of, and the constructor that decides whether it
 * does anything at all.
 *
 *   setsid, fork          php-cgi calls them, in this order, when it is about to start its own children: here it
 *                         becomes the zygote instead. Other forks pass through; foreign-fork.c sees to their children.
 *   accept                the worker waits on the pool's socket, which is not descriptor 0, and can be told to leave
 *   poll, read            one recv serves what php-cgi reads piece by piece
 *   write                 an answer that is complete is recognised here
 *   open                  the worker's stdout and stderr, by the names that PHP makes of /dev/stdout and /dev/stderr
 *   shutdown, recv, close php-cgi waits until the client has closed; needless once everything is read
 *   getcwd                PHP asks before each script; chdir and fchdir tell the answer (root-directory.c)
 *   fcntl                 opcache locks its memory at each request (opcache-lock.c)
 *   sigaction, signal     PHP asks at each request what is the same as ever; who changes it is noted (known-signals.c)
 *   sigprocmask, pthread_sigmask
 *   getitimer, setitimer  PHP's limits of processor time, which hardly ever run out (time-limit.c)
 *   execv, execve         a program that a script has take its process's place has the limit, too
 *
 * Each of them is there also under the name that _FORTIFY_SOURCE gives it (__read_chk ...): some builds of PHP call
 * that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "client.h"
#include "control.h"
#include "descriptors.h"
#include "errand.h"
#include "foreign-fork.h"
#include "imports.h"
#include "input.h"
#include "known-signals.h"
#include "leave.h"
#include "libc.h"
#include "opcache-lock.h"
#include "output.h"
#include "request-phase.h"
#include "root-directory.h"
#include "sapi-name.h"
#include "scoreboard.h"
#include "script-child.h"
#include "signals.h"
#include "template.h"
#include "time-limit.h"
#include "title.h"
#include "unseen-calls.h"
#include "worker.h"
#include "zygote.h"

/* ---- start ---- */

/* Takes our own entry, the first, out of LD_PRELOAD; what the administrator preloads stays. */
static void leave_preload_list(void)
{
    const char *list = getenv("LD_PRELOAD");
    if (list == NULL) return;
    const char *rest = strpbrk(list, ": ");
    char *kept = rest != NULL && rest[1] != '\0' ? strdup(rest + 1) : NULL;
    if (kept != NULL) {
        setenv("LD_PRELOAD", kept, 1);
        free(kept);
    } else {
        unsetenv("LD_PRELOAD");
    }
}

static bool is_template;

/* glibc hands main's arguments to constructors. */
__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
    const char *mark = getenv(TSFPM_ENV_MARK);
    if (mark == NULL) return;
    /* A wrapper script around php-cgi passes everything on; only a PHP binary takes it. */
    if (dlsym(RTLD_DEFAULT, "sapi_module") == NULL) return;
    if (atoi(mark) != (int)TSFPM_CONTROL_VERSION)
        tsfpm_die("the runtime library speaks version %u of the control protocol, the master %s", TSFPM_CONTROL_VERSION,
                  mark);
    tsfpm_signals_hold();
    /* Before any variable is taken out: that moves the others in the array, and the rest would stay readable. */
    tsfpm_title_prepare(argc, argv, envp);
    unsetenv(TSFPM_ENV_MARK);
    tsfpm_sapi_name_take(getenv(TSFPM_ENV_SAPI_NAME));
    unsetenv(TSFPM_ENV_SAPI_NAME);
    leave_preload_list();
    for (int fd = TSFPM_FD_CONTROL; fd <= TSFPM_FD_LIBRARY; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) tsfpm_die("descriptor %d is missing: %s", fd, strerror(errno));
    /* What the master inherited is not for PHP, which has not opened anything yet. */
    tsfpm_descriptors_close_from(TSFPM_FD_LIBRARY + 1);
    is_template = tsfpm_template_is_wanted();
    if (!is_template && tsfpm_scoreboard_map(TSFPM_FD_SCOREBOARD) != 0)
        tsfpm_die("cannot map the scoreboard: %s", strerror(errno));
    tsfpm_role = TSFPM_ROLE_STARTING;
    tsfpm_foreign_fork_start();
}

/*
 * php-cgi ends with the first exit status that any script asked for; under php-fpm a worker that was told to leave ends
 * with 0, and the master tells crashes from orders by that.
 */
__attribute__((destructor)) static void finish(void)
{
    if (tsfpm_role != TSFPM_ROLE_WORKER || !tsfpm_worker_ends_in_order()) return;
    fflush(NULL);
    _exit(0);
}

/* ---- hooks ---- */

/* What is known without asking the kernel is known from these. */
static void see_all_calls(void)
{
    const struct tsfpm_libc *libc = tsfpm_libc();
    const struct tsfpm_import hooks[] = {
        {"sigaction", (void *)libc->sigaction, (void *)sigaction},
        {"signal", (void *)libc->signal, (void *)signal},
        {"sigprocmask", (void *)libc->sigprocmask, (void *)sigprocmask},
        {"pthread_sigmask", (void *)libc->pthread_sigmask, (void *)pthread_sigmask},
        {"execv", (void *)libc->execv, (void *)execv},
        {"execve", (void *)libc->execve, (void *)execve},
        {"chdir", (void *)libc->chdir, (void *)chdir},
        {"fchdir", (void *)libc->fchdir, (void *)fchdir},
        {"fcntl", (void *)libc->fcntl, (void *)fcntl},
        {"fcntl64", (void *)libc->fcntl, (void *)fcntl},
        {"getitimer", (void *)libc->getitimer, (void *)getitimer},
        {"setitimer", (void *)libc->setitimer, (void *)setitimer},
    };
    tsfpm_unseen_calls_prepare(hooks, sizeof hooks / sizeof *hooks);
}

TSFPM_EXPORT pid_t setsid(void)
{
    if (tsfpm_role == TSFPM_ROLE_STARTING) {
        see_all_calls(); /* extensions are loaded by now */
        tsfpm_opcache_lock_prepare();
        tsfpm_signals_handle();
        tsfpm_limit_requests(getenv("PHP_FCGI_MAX_REQUESTS"));
        tsfpm_role = TSFPM_ROLE_ARMED;
    }
    return tsfpm_libc()->setsid();
}

TSFPM_EXPORT pid_t fork(void)
{
    if (tsfpm_role == TSFPM_ROLE_ARMED) {
        if (is_template) tsfpm_template_run();
        return tsfpm_zygote_run();
    }
    return tsfpm_libc()->fork();
}

/* The connection of the client that this worker serves; or that a script's child has from its worker. */
static bool is_client(int fd)
{
    return fd == tsfpm_connection && fd != -1;
}

static bool is_script_child(void)
{
    return __builtin_expect(tsfpm_role == TSFPM_ROLE_SCRIPT_CHILD, 0);
}

TSFPM_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    if (fd == TSFPM_FD_STAND_IN && tsfpm_role == TSFPM_ROLE_WORKER && tsfpm_connection == -1)
        return tsfpm_worker_accept(address, length);
    if (fd == TSFPM_FD_STAND_IN && tsfpm_role == TSFPM_ROLE_ERRAND) return tsfpm_errand_accept(address, length);
    return tsfpm_libc()->accept(fd, address, length);
}

/* glibc declares poll's array as written only; poll reads it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
TSFPM_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    if (count == 1 && is_client(fds[0].fd) && !is_script_child()) return tsfpm_input_poll(fds, timeout_ms);
    return tsfpm_libc()->poll(fds, count, timeout_ms);
}
#pragma GCC diagnostic pop

TSFPM_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t known)
{
    if (known / sizeof *fds < count) abort();
    return poll(fds, count, timeout_ms);
}

TSFPM_EXPORT ssize_t read(int fd, void *buffer, size_t size)
{
    if (is_client(fd)) return tsfpm_input_read(buffer, size);
    return tsfpm_libc()->read(fd, buffer, size);
}

TSFPM_EXPORT ssize_t __read_chk(int fd, void *buffer, size_t size, size_t known)
{
    if (size > known) abort();
    return read(fd, buffer, size);
}

TSFPM_EXPORT ssize_t write(int fd, const void *buffer, size_t size)
{
    if (is_client(fd))
        return is_script_child() ? tsfpm_script_child_write(buffer, size) : tsfpm_answer_write(buffer, size);
    tsfpm_output_is_possible = true;
    return tsfpm_libc()->write(fd, buffer, size);
}

TSFPM_EXPORT int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    int fd = tsfpm_libc()->open(path, flags, mode);
    if (fd < 0 && errno == ENOENT && tsfpm_role == TSFPM_ROLE_WORKER) return tsfpm_output_open(path, flags);
    return fd;
}

/* On 64-bit machines open() takes files of any size. */
TSFPM_EXPORT int open64(const char *path, int flags, ...) __attribute__((alias("open")));

TSFPM_EXPORT ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    if (is_client(fd)) return is_script_child() ? 0 : tsfpm_worker_drain();
    return tsfpm_libc()->recv(fd, buffer, size, flags);
}

TSFPM_EXPORT ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t known, int flags)
{
    if (size > known) abort();
    return recv(fd, buffer, size, flags);
}

TSFPM_EXPORT int shutdown(int fd, int how)
{
    if (is_client(fd)) return is_script_child() ? 0 : tsfpm_worker_shutdown(how);
    return tsfpm_libc()->shutdown(fd, how);
}

TSFPM_EXPORT int close(int fd)
{
    if (is_client(fd)) return is_script_child() ? tsfpm_script_child_close() : tsfpm_worker_close();
    return tsfpm_libc()->close(fd);
}

/* From 8.4 on PHP asks whether a new client's connection is closed on exec, and makes it so; it is, from accept on. */
static bool is_known_flag(int fd, int command, const void *argument)
{
    bool is_new = is_client(fd) && tsfpm_phase_is(TSFPM_PHASE_BIT(CONNECTED));
    return is_new && (command == F_GETFD || (command == F_SETFD && (int)(intptr_t)argument == FD_CLOEXEC));
}

TSFPM_EXPORT int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *); /* a number or a pointer, or nothing: as libc's own fcntl has it */
    va_end(arguments);
    if (is_known_flag(fd, command, argument)) return command == F_GETFD ? FD_CLOEXEC : 0;
    return tsfpm_opcache_lock_fcntl(fd, command, argument);
}

/* On 64-bit machines it takes files of any size. */
TSFPM_EXPORT int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

TSFPM_EXPORT int sigaction(int signal_number, const struct sigaction *wanted, struct sigaction *old)
{
    if (wanted != NULL && signal_number == TSFPM_TIME_OUT_SIGNAL) tsfpm_time_limit_hand_over();
    return tsfpm_known_sigaction(signal_number, wanted, old);
}

TSFPM_EXPORT sighandler_t signal(int signal_number, sighandler_t handler)
{
    return tsfpm_known_signal(signal_number, handler);
}

/* The signal by which the end of a time limit is noticed is about to be blocked. */
static bool blocks_time_out(int how, const sigset_t *signals)
{
    return signals != NULL && how != SIG_UNBLOCK && sigismember(signals, TSFPM_TIME_OUT_SIGNAL) == 1;
}

TSFPM_EXPORT int sigprocmask(int how, const sigset_t *signals, sigset_t *old)
{
    if (blocks_time_out(how, signals)) tsfpm_time_limit_hand_over();
    return tsfpm_known_sigprocmask(how, signals, old);
}

TSFPM_EXPORT int pthread_sigmask(int how, const sigset_t *signals, sigset_t *old)
{
    if (blocks_time_out(how, signals)) tsfpm_time_limit_hand_over();
    return tsfpm_known_pthread_sigmask(how, signals, old);
}

TSFPM_EXPORT int getitimer(__itimer_which_t which, struct itimerval *now)
{
    if (which == ITIMER_PROF) tsfpm_time_limit_hand_over();
    return tsfpm_libc()->getitimer((int)which, now);
}

TSFPM_EXPORT int setitimer(__itimer_which_t which, const struct itimerval *wanted, struct itimerval *old)
{
    return tsfpm_time_limit_setitimer((int)which, wanted, old);
}

/* pcntl_exec(): only the kernel's timers go on in the program that takes this one's place. */
TSFPM_EXPORT int execv(const char *path, char *const arguments[])
{
    tsfpm_time_limit_hand_over();
    return tsfpm_libc()->execv(path, arguments);
}

TSFPM_EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    tsfpm_time_limit_hand_over();
    return tsfpm_libc()->execve(path, arguments, environment);
}

TSFPM_EXPORT char *getcwd(char *buffer, size_t size)
{
    return tsfpm_root_directory_getcwd(buffer, size);
}

TSFPM_EXPORT int chdir(const char *path)
{
    return tsfpm_root_directory_chdir(path);
}

TSFPM_EXPORT int fchdir(int fd)
{
    return tsfpm_root_directory_fchdir(fd);
}

TSFPM_EXPORT char *__getcwd_chk(char *buffer, size_t size, size_t known)
{
    if (size > known) abort();
    return getcwd(buffer, size);
}
