/*
 * A PHP extension that tells on stderr when PHP's limit of time is over: in microseconds of processor time since the
 * extension's start of the request. With "burn" in the query that start itself uses three seconds; with "alive" it has
 * this process tell at 1.98 and 2.02 seconds that it is still there.
 */
#include "test-extension.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ALIVE_SIGNAL 45

static long long began_us;
static volatile sig_atomic_t is_over;

static long long used_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void on_limit(int seconds)
{
    dprintf(STDERR_FILENO, "timing: limit of %d s after %lld us\n", seconds, used_us() - began_us);
    is_over = 1;
}

static void on_alive(int signal_number)
{
    (void)signal_number;
    dprintf(STDERR_FILENO, "timing: alive after %lld ms\n", (used_us() - began_us) / 1000);
}

/* By the kernel's own calls: libc has them in another library until 2.34. */
static void tell_alive_after(long long us)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = ALIVE_SIGNAL};
    struct itimerspec when = {.it_value = {.tv_sec = (began_us + us) / 1000000, .tv_nsec = (began_us + us) % 1000000 * 1000}};
    int id;
    syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &event, &id);
    syscall(SYS_timer_settime, id, TIMER_ABSTIME, &when, NULL);
}

/* Its processor time begins anew. */
static void in_child(void)
{
    began_us = 0;
}

static int start(int type, int module_number)
{
    (void)type;
    (void)module_number;
    void (**hook)(int) = dlsym(RTLD_DEFAULT, "zend_on_timeout");
    *hook = on_limit;
    pthread_atfork(NULL, NULL, in_child);
    return 0;
}

static int request_starts(int type, int module_number)
{
    (void)type;
    (void)module_number;
    /* main/SAPI.h: the third field of sapi_globals is the query. */
    const char *query = ((const char *const *)dlsym(RTLD_DEFAULT, "sapi_globals"))[2];
    began_us = used_us();
    is_over = 0;
    if (query != NULL && strstr(query, "burn") != NULL)
        while (!is_over && used_us() - began_us < 3000000) continue;
    if (query != NULL && strstr(query, "alive") != NULL) {
        const struct sigaction alive = {.sa_handler = on_alive};
        sigaction(ALIVE_SIGNAL, &alive, NULL);
        tell_alive_after(1980000);
        tell_alive_after(2020000);
    }
    return 0;
}

static struct module_entry module = {
    .size = sizeof(struct module_entry),
    .name = "timing",
    .version = "1",
    .module_startup = start,
    .request_startup = request_starts,
};
