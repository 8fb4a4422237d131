/* A PHP extension that leaves signals of its process otherwise than PHP has them, at the end of each fifth request. */
#include "test-extension.h"

#include <signal.h>

static int request_ends(int type, int module_number)
{
    (void)type;
    (void)module_number;
    static int requests;
    if (++requests % 5 != 0) return 0;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPROF);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGUSR2, SIG_IGN);
    const struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigaction(SIGHUP, &ignored, NULL);
    return 0;
}

static struct module_entry module = {
    .size = sizeof(struct module_entry),
    .name = "meddling",
    .version = "1",
    .request_shutdown = request_ends,
};
