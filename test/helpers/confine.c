/*
 * Runs a command as a hardened unit or a container runs it: the kernel refuses system calls, capabilities are out of
 * reach, and nothing that it starts gets any of it back.
 *
 *   confine [--refuse CALL[:ARGUMENT:VALUE]=ERRNO]... [--capabilities NAME,NAME...] [--leave-open FILE] -- COMMAND...
 *
 * With an argument's number, from 0, and a value, only calls with that are refused: socket:0:16=EAFNOSUPPORT is no
 * netlink. Arguments are compared by their lower 32 bits. The file is left open to read at a high number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_STEPS 512
/* Node closes what it finds open among the first, up to a gap. */
#define LEFT_OPEN 200
#define USAGE "confine: usage: [--refuse CALL[:ARGUMENT:VALUE]=ERRNO]... [--capabilities NAME,...] [--leave-open FILE] -- COMMAND..."

struct name {
    const char *text;
    int number;
};

#define CALL(name) {#name, SYS_##name}
static const struct name calls[] = {
    CALL(accept4),      CALL(capget),     CALL(close_range),       CALL(clone3),           CALL(epoll_pwait2),
    CALL(fchown),       CALL(fcntl),      CALL(getsockopt),        CALL(io_uring_setup),   CALL(memfd_create),
    CALL(openat2),      CALL(pidfd_open), CALL(pidfd_send_signal), CALL(prctl),            CALL(prlimit64),
    CALL(process_vm_readv), CALL(ptrace), CALL(setgroups),         CALL(setpriority),      CALL(setrlimit),
    CALL(mincore),      CALL(signalfd4),  CALL(socket),            CALL(statx),            CALL(waitid),
};

#define ERRNO(name) {#name, name}
static const struct name errnos[] = {
    ERRNO(EACCES), ERRNO(EAFNOSUPPORT), ERRNO(EAGAIN), ERRNO(EINVAL), ERRNO(ENOSYS), ERRNO(EPERM),
};

#define CAPABILITY(name) {#name, CAP_##name}
static const struct name capabilities[] = {
    CAPABILITY(CHOWN),  CAPABILITY(DAC_OVERRIDE),     CAPABILITY(KILL),   CAPABILITY(NET_ADMIN), CAPABILITY(NET_BIND_SERVICE),
    CAPABILITY(SETGID), CAPABILITY(SETUID),           CAPABILITY(SYS_CHROOT), CAPABILITY(SYS_PTRACE),
};

static _Noreturn void fail(const char *what)
{
    if (errno != 0) perror(what);
    else fprintf(stderr, "%s\n", what);
    exit(125);
}

static int number_of(const char *text, size_t length, const struct name *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i].text) == length && strncmp(names[i].text, text, length) == 0) return names[i].number;
    errno = 0;
    fprintf(stderr, "confine: '%.*s' is not in the table\n", (int)length, text);
    fail(USAGE);
}
#define NUMBER_OF(text, length, names) number_of(text, length, names, sizeof(names) / sizeof *(names))

static struct sock_filter steps[MOST_STEPS];
static unsigned short step_count;

static void step(struct sock_filter next)
{
    errno = 0;
    if (step_count == MOST_STEPS) fail("confine: too much is to be refused");
    steps[step_count++] = next;
}

static void load(size_t offset)
{
    step((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

/* The next `count` steps are left out unless the loaded word is `value`. */
static void unless_skip(unsigned value, unsigned char count)
{
    step((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count));
}

static void refuse(const char *rule)
{
    const char *error = strchr(rule, '=');
    errno = 0;
    if (error == NULL) fail(USAGE);
    size_t call_length = strcspn(rule, ":=");
    unsigned call = (unsigned)NUMBER_OF(rule, call_length, calls);
    unsigned answer = SECCOMP_RET_ERRNO | (unsigned)NUMBER_OF(error + 1, strlen(error + 1), errnos);
    load(offsetof(struct seccomp_data, nr));
    if (rule[call_length] == '=') {
        unless_skip(call, 1);
    } else {
        unsigned argument, value;
        if (sscanf(rule + call_length, ":%u:%u", &argument, &value) != 2 || argument > 5) fail(USAGE);
        unless_skip(call, 3);
        load(offsetof(struct seccomp_data, args) + argument * sizeof(__u64)); /* the lower half, on these machines */
        unless_skip(value, 1);
    }
    step((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer));
}

/* Root's programs get at an exec what is both in the bounding set and inherited or root's: both are cut. */
static void keep_capabilities(char *names)
{
    unsigned long long kept = 0;
    for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ","))
        kept |= 1ull << NUMBER_OF(name, strlen(name), capabilities);
    for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        if (!(kept >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0) fail("confine: PR_CAPBSET_DROP");
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        __u32 word = (__u32)(kept >> 32 * i);
        sets[i] = (struct __user_cap_data_struct){.effective = word, .permitted = word, .inheritable = 0};
    }
    if (syscall(SYS_capset, &header, sets) != 0) fail("confine: capset");
}

static void leave_open(const char *path)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0 || dup2(fd, LEFT_OPEN) < 0 || close(fd) != 0) fail(path);
}

int main(int argc, char **argv)
{
    int at = 1;
    char *kept = NULL;
    for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) {
        if (strcmp(argv[at], "--refuse") == 0) refuse(argv[at + 1]);
        else if (strcmp(argv[at], "--capabilities") == 0) kept = argv[at + 1];
        else if (strcmp(argv[at], "--leave-open") == 0) leave_open(argv[at + 1]);
        else break;
    }
    errno = 0;
    if (at + 1 >= argc || strcmp(argv[at], "--") != 0) fail(USAGE);
    step((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = {.len = step_count, .filter = steps};
    if (kept != NULL) keep_capabilities(kept);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("confine: PR_SET_NO_NEW_PRIVS");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) fail("confine: PR_SET_SECCOMP");
    execvp(argv[at + 1], argv + at + 1);
    fail(argv[at + 1]);
}
