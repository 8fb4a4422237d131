/*
 * The zygote's reading of commands: good frames, damaged ones and noise, cut anywhere. What it may do with them is bounded:
 * answer each FORK once, signal nobody but a worker of its own, or end with a message.
 */
#define _GNU_SOURCE
#include <signal.h>

#include <sys/socket.h>

static int fuzz_kill(int pid, int signal_number);
static ssize_t fuzz_sendmsg(int fd, const struct msghdr *message, int flags);
#define kill fuzz_kill
#define sendmsg fuzz_sendmsg
#include "../../src/runtime/scoreboard.c"
#include "../../src/runtime/frame.c"
#include "../../src/runtime/control.c"
#include "../../src/runtime/settings.c"
#include "../../src/runtime/worker-table.c"
#include "../../src/runtime/spawn.c"
#include "../../src/runtime/zygote.c"
#undef kill
#undef sendmsg

#include <setjmp.h>

#include "fuzz.h"

#define SLOTS 4

enum tsfpm_role tsfpm_role = TSFPM_ROLE_ZYGOTE;
bool tsfpm_is_forking_worker;
static jmp_buf the_end;

_Noreturn void tsfpm_die(const char *format, ...)
{
    (void)format;
    longjmp(the_end, 1);
}

/* What they need of the other files. What these would keep is freed, lest a long run need all memory. */
void tsfpm_title_set(const char *title)
{
    if (strlen(title) > TSFPM_FRAME_PAYLOAD_MAX) fuzz_fail("a title of %zu bytes", strlen(title));
    free((char *)title);
}
void tsfpm_locked_values_take(char *const *names, char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
        free(values[i]);
    }
}
const char *tsfpm_php_version = "8";
int tsfpm_keeper_fd = -1;
void tsfpm_keeper_begin(int fd, bool is_probe)
{
    (void)fd, (void)is_probe;
}

const char *tsfpm_php_ini_file(void)
{
    return "";
}

const char *tsfpm_php_ini_scanned(void)
{
    return "";
}

bool tsfpm_php_is_exposed(void)
{
    return false;
}
void tsfpm_ini_values_set(const char *name, const char *value)
{
    if (strlen(name) + strlen(value) > 200000) fuzz_fail("a setting without its end");
}

void tsfpm_limit_requests(const char *most)
{
    (void)most;
}

void tsfpm_worker_begin(uint32_t slot, int listen, int channel)
{
    (void)slot, (void)listen, (void)channel;
    abort();
}
void tsfpm_signals_hold_all(sigset_t *held)
{
    (void)held;
    abort();
}
void tsfpm_pages_configure(const char *status, const char *ping)
{
    free((char *)status);
    free((char *)ping);
}

void tsfpm_main_script_configure(const char *limit_extensions)
{
    free((char *)limit_extensions);
}

void tsfpm_environment_configure(void)
{
}

void tsfpm_allowed_clients_configure(const char *list)
{
    free((char *)list);
}

void tsfpm_allowed_clients_tell_mistakes(void)
{
}

void tsfpm_gone_clients_drop(void)
{
}

void tsfpm_jail_prepare(const char *root)
{
    (void)root;
}

void tsfpm_messages_configure(enum tsfpm_level lowest)
{
    (void)lowest;
}

void tsfpm_jail_take_time_zones(const uint8_t *database, size_t size)
{
    (void)database, (void)size;
}

void tsfpm_identity_take(const struct tsfpm_identity *wanted)
{
    (void)wanted;
    abort();
}

_Noreturn void tsfpm_worker_fails(const char *pool, const char *format, ...)
{
    (void)pool, (void)format;
    abort();
}

void tsfpm_output_begin(uint32_t slot, bool is_caught)
{
    (void)slot, (void)is_caught;
    abort();
}

long tsfpm_output_read(uint32_t slot, int stream, int fd, char *buffer, size_t size)
{
    (void)slot, (void)stream;
    return read(fd, buffer, size);
}

bool tsfpm_access_log_add_field(const uint8_t *setting, size_t size)
{
    (void)setting;
    return size >= 4;
}

void tsfpm_access_log_zygote_begins(void)
{
}

void tsfpm_access_log_clear(uint32_t slot)
{
    if (slot >= SLOTS) fuzz_fail("cleared ring %u", slot);
}

void tsfpm_access_log_begin(uint32_t slot)
{
    (void)slot;
    abort();
}

bool tsfpm_access_log_is_pending(void)
{
    return fuzz_below(2) == 0;
}

static size_t replies;

static ssize_t fuzz_sendmsg(int fd, const struct msghdr *message, int flags)
{
    (void)fd, (void)flags;
    const struct tsfpm_frame *frame = message->msg_iov->iov_base;
    if (frame->type == TSFPM_FRAME_FORKED && (frame->slot < 0 || frame->slot >= SLOTS))
        fuzz_fail("forked for slot %d", frame->slot);
    replies += frame->type == TSFPM_FRAME_FORKED || frame->type == TSFPM_FRAME_FORK_FAILED;
    return (ssize_t)(sizeof *frame + frame->length);
}

static int fuzz_kill(int pid, int signal_number)
{
    (void)signal_number;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (pid > 0 && workers[i].pid == pid) return 0;
    fuzz_fail("a signal to process %d", pid);
}

static uint8_t bytes[200000];
static size_t length, taken;

static ssize_t fuzz_recv(int fd, void *buffer, size_t size, int flags)
{
    (void)flags;
    if (fd != control_fd) {
        errno = EAGAIN;
        return -1;
    }
    if (fuzz_below(8) == 0) {
        errno = fuzz_below(2) == 0 ? EINTR : EAGAIN;
        return -1;
    }
    size_t step = 1 + fuzz_size(size);
    if (step > size) step = size;
    if (step > length - taken) step = length - taken;
    memcpy(buffer, bytes + taken, step);
    taken += step;
    return (ssize_t)step;
}

ssize_t tsfpm_receive_with_descriptor(int fd, void *buffer, size_t size, int *descriptor)
{
    ssize_t received = fuzz_recv(fd, buffer, size, 0);
    *descriptor = received > 0 && fuzz_below(4) == 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
    return received;
}

int tsfpm_send_with_descriptor(int fd, const void *sent, size_t size, int descriptor)
{
    (void)fd, (void)sent, (void)size, (void)descriptor;
    return 0;
}

static pid_t fuzz_fork(void)
{
    static pid_t last = 1000000;
    errno = EAGAIN;
    return fuzz_below(8) == 0 ? -1 : ++last;
}

static int fuzz_shutdown(int fd, int how)
{
    (void)fd, (void)how;
    return 0;
}

const struct tsfpm_libc *tsfpm_libc(void)
{
    static const struct tsfpm_libc libc = {
        .recv = fuzz_recv, .fork = fuzz_fork, .shutdown = fuzz_shutdown, .read = read, .close = close};
    return &libc;
}

static size_t add_settings(uint8_t *payload, size_t room)
{
    size_t used = 0;
    for (size_t count = fuzz_below(8); count > 0; count--) {
        struct tsfpm_setting setting = {.key = (uint16_t)(1 + fuzz_below(21)), .length = (uint32_t)fuzz_size(600)};
        if (fuzz_below(8) == 0) setting.key = TSFPM_SETTING_APPARMOR_HAT;
        if (setting.key == TSFPM_SETTING_UID || setting.key == TSFPM_SETTING_GID ||
            setting.key == TSFPM_SETTING_CATCH_OUTPUT)
            setting.length = 4;
        if (used + sizeof setting + setting.length > room) break;
        memcpy(payload + used, &setting, sizeof setting);
        fuzz_fill(payload + used + sizeof setting, setting.length);
        used += sizeof setting + setting.length;
        /* Some lie about their length. */
        if (fuzz_below(20) == 0) payload[used - setting.length - 4 + fuzz_below(4)] ^= (uint8_t)fuzz_next();
    }
    return used;
}

static void add_frame(void)
{
    static const uint16_t types[] = {TSFPM_FRAME_CONFIGURE, TSFPM_FRAME_FORK,   TSFPM_FRAME_FORK,   TSFPM_FRAME_DRAIN,
                                     TSFPM_FRAME_RETIRE,    TSFPM_FRAME_ARM,    TSFPM_FRAME_ANSWER, TSFPM_FRAME_FORK_PROBE,
                                     TSFPM_FRAME_ECHO,      TSFPM_FRAME_LOGS_READ, TSFPM_FRAME_KEEPER};
    struct tsfpm_frame frame = {
        .type = types[fuzz_below(sizeof types / sizeof *types)],
        .version = TSFPM_CONTROL_VERSION,
        .slot = (int32_t)fuzz_below(SLOTS + 2) - 1,
    };
    frame.pid = frame.slot >= 0 && frame.slot < SLOTS ? workers[frame.slot].pid : (int32_t)fuzz_next();
    if (sizeof bytes - length < sizeof frame + 10000) return;
    uint8_t *payload = bytes + length + sizeof frame;
    if (frame.type == TSFPM_FRAME_CONFIGURE) frame.length = (uint32_t)add_settings(payload, 9000);
    else if (frame.type == TSFPM_FRAME_ARM) frame.length = 4;
    else if (frame.type == TSFPM_FRAME_ANSWER) frame.length = (uint32_t)fuzz_size(5000);
    if (frame.type != TSFPM_FRAME_CONFIGURE) fuzz_fill(payload, frame.length);
    memcpy(bytes + length, &frame, sizeof frame);
    length += sizeof frame + frame.length;
}

static void make_stream(void)
{
    length = taken = 0;
    for (size_t count = fuzz_below(30); count > 0; count--) add_frame();
    for (size_t changes = fuzz_below(3) == 0 ? fuzz_below(6) : 0; changes > 0 && length > 0; changes--)
        bytes[fuzz_below(length)] ^= (uint8_t)(1u << fuzz_below(8));
    if (fuzz_below(3) == 0) length = fuzz_below(length + 1);
}

static size_t forks_in_stream(void)
{
    size_t forks = 0;
    struct tsfpm_frame frame;
    for (size_t at = 0; length - at >= sizeof frame; at += sizeof frame + frame.length) {
        memcpy(&frame, bytes + at, sizeof frame);
        if (frame.length > length - at - sizeof frame) break;
        forks += frame.type == TSFPM_FRAME_FORK || frame.type == TSFPM_FRAME_FORK_PROBE;
    }
    return forks;
}

/* What the zygote keeps for its life. Settings that a frame repeats, and those cut short by tsfpm_die, are lost: few. */
static void free_settings(void)
{
    const char *texts[] = {settings.identity.chroot, settings.identity.chdir, settings.identity.apparmor_hat,
                           settings.worker_title};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free((char *)texts[i]);
    if (settings.identity.pool != unknown) free((char *)settings.identity.pool);
    if (settings.identity.user != unknown) free((char *)settings.identity.user);
    free(settings.identity.groups);
}

static void free_environment(char **environment)
{
    for (char **entry = environment; *entry != NULL; entry++) free(*entry);
    free(environment);
}

static void forget_everything(void)
{
    for (uint32_t i = 0; i < SLOTS; i++) {
        while (!tsfpm_forward_last(i)) {
        }
        tsfpm_channel_close(i);
        workers[i].pid = 0;
        workers[i].retiring = false;
    }
    alive = 0;
    is_configured = is_draining = drain_ordered = false;
    forget_descriptor();
    if (tsfpm_keeper_fd >= 0) close(tsfpm_keeper_fd);
    tsfpm_keeper_fd = -1;
    command_length = 0;
    settings = (struct tsfpm_settings){0};
    memset(tsfpm_scoreboard, 0, TSFPM_HEADER_SIZE + SLOTS * sizeof(struct tsfpm_slot));
}

static void fuzz_round(void)
{
    char **own_environment = environ;
    /* Some workers first, so that frames can name them. */
    is_configured = true;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (fuzz_below(2) == 0) on_fork((int32_t)i, false);
    is_configured = fuzz_below(2) == 0;
    replies = 0;
    make_stream();
    if (setjmp(the_end) == 0) {
        /* An end of the stream looks like a master that has gone: only once it has been read. */
        while (taken < length) on_control();
        if (command_length < sizeof(struct tsfpm_frame) && replies != forks_in_stream())
            fuzz_fail("%zu answers to %zu forks", replies, forks_in_stream());
    }
    if (environ != own_environment) free_environment(environ);
    environ = own_environment;
    free_settings();
    forget_everything();
}

int main(int argc, char **argv)
{
    /* Of the exact size: the address sanitizer sees a slot that is none. */
    tsfpm_scoreboard = calloc(1, TSFPM_HEADER_SIZE + SLOTS * sizeof(struct tsfpm_slot));
    if (tsfpm_scoreboard == NULL || tsfpm_workers_prepare(SLOTS) != 0 || tsfpm_channels_prepare(SLOTS) != 0) return 1;
    tsfpm_events_prepare();
    if (tsfpm_forward_prepare(SLOTS) != 0) return 1;
    control_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    probe_fd = -1;
    listen_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fuzz_main(argc, argv, fuzz_round);
}
