/*
 * tsfpm-keeper UID GID: the keeper of a pool's kept connections (keeper.c). The master starts it with
 *
 *      3   its end of the socket pair to the pool's workers
 *      4   the page on which it tells how much it holds (struct tsfpm_keeper_page)
 *
 * and with nothing else. It becomes the pool's user before it reads anything; UID and GID `-` keep what it is, where
 * the master is no root. It ends when no worker has the other end any more, and on TERM, which the kernel sends as well
 * when the master dies: then it closes what is idle and passes on what is ready first. It prints nothing; its exit
 * status says why it cannot work, src/keeping/keeper-process.ts has it in words.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

enum end {
    END_IN_ORDER = 0,
    END_USAGE = 64,
    END_NO_MEMORY = 70,
    END_NO_IDENTITY = 77,
    END_NO_DESCRIPTORS = 78,
};

enum { SOCKET_FD = 3, PAGE_FD = 4 };

/* Descriptors that are no connections, and one to receive the next. */
#define SPARE_DESCRIPTORS 16
#define DESCRIPTORS_MOST 1048576u

static volatile sig_atomic_t is_finishing;

static void on_term(int signal_number)
{
    (void)signal_number;
    is_finishing = 1;
}

static int read_number(const char *text, unsigned *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value >= (unsigned)-1) return -1;
    *number = (unsigned)value;
    return 0;
}

/* A user's number is given up last, since only root may change the others. Whatever fails ends this process. */
static void take_identity(const char *user, const char *group)
{
    unsigned uid, gid;
    if (strcmp(user, "-") != 0) {
        if (read_number(user, &uid) != 0 || read_number(group, &gid) != 0) _exit(END_USAGE);
        if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
            _exit(END_NO_IDENTITY);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        _exit(END_NO_IDENTITY);
}

/* Signals may be sent to all processes of the master at once. Returns the mask to wait with. */
static sigset_t take_signals(void)
{
    struct sigaction finish = {.sa_handler = on_term}, ignore = {.sa_handler = SIG_IGN};
    sigset_t held, open;
    static const int for_the_master[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};
    for (size_t i = 0; i < sizeof for_the_master / sizeof *for_the_master; i++)
        sigaction(for_the_master[i], &ignore, NULL);
    sigemptyset(&held);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, NULL);
    sigaction(SIGTERM, &finish, NULL);
    sigemptyset(&open);
    return open;
}

/* Returns how many descriptors there may be. */
static uint32_t raise_descriptor_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) != 0) return 0;
    return files.rlim_cur > DESCRIPTORS_MOST ? DESCRIPTORS_MOST : (uint32_t)files.rlim_cur;
}

static struct tsfpm_keeper_page *map_page(void)
{
    void *page = mmap(NULL, TSFPM_KEEPER_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, PAGE_FD, 0);
    close(PAGE_FD);
    return page == MAP_FAILED ? NULL : page;
}

int main(int argc, char **argv)
{
    if (argc != 3) return END_USAGE;
    pid_t master = getppid();
    take_identity(argv[1], argv[2]);
    for (int i = 1; i < argc; i++) memset(argv[i], 0, strlen(argv[i])); /* ps shows what it is, and for which pool */
    sigset_t mask = take_signals();
    /* After the identity, whose change clears it. */
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != master) is_finishing = 1;
    uint32_t limit = raise_descriptor_limit();
    struct tsfpm_keeper_plan plan = {.socket_fd = SOCKET_FD, .descriptor_limit = limit, .is_finishing = &is_finishing};
    if (limit <= 2 * SPARE_DESCRIPTORS) return END_NO_DESCRIPTORS;
    plan.most = limit - SPARE_DESCRIPTORS;
    plan.page = map_page();
    if (plan.page == NULL || tsfpm_keeper_begin(&plan) != 0) return END_NO_MEMORY;
    while (tsfpm_keeper_turn(-1, &mask)) continue;
    return END_IN_ORDER;
}
