/*
 * The zygote: a php-cgi that has loaded PHP, its extensions and opcache's shared memory, and never serves. It forks
 * workers when the master says so, reaps them, and passes on what they print. It keeps the master's rights, so it
 * reads nothing that a worker can write but pipes, whose bytes it forwards with the name of the worker they came from.
 *
 * It ends when the master has gone (its end of the control channel is closed) or says DRAIN, after its last worker.
 */
#define _GNU_SOURCE
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "access-log.h"
#include "allowed-clients.h"
#include "channels.h"
#include "control.h"
#include "descriptors.h"
#include "foreign-fork.h"
#include "forward.h"
#include "identity.h"
#include "jail.h"
#include "libc.h"
#include "locked-values.h"
#include "main-script.h"
#include "messages.h"
#include "output.h"
#include "php.h"
#include "relay.h"
#include "scoreboard.h"
#include "signals.h"
#include "title.h"
#include "worker.h"

/* Its own descriptors besides two pipes and a channel for each worker: those that it keeps, and a pipe's while one is made. */
#define OWN_FDS_SPARE 16
/* How often workers that are to leave are looked at: ms. */
#define LEAVE_CHECK_MS 20

extern char **environ;

struct worker {
    pid_t pid;      /* 0: the slot is free */
    bool retiring;  /* to end once it is idle */
    bool has_ended; /* it is reaped, and its pid anybody's; but its last output is not with the master yet */
    int32_t status; /* from wait(), then */
    bool is_probe;  /* it serves the master alone */
};

static struct settings {
    struct tsfpm_identity identity;
    const char *zygote_title, *worker_title, *status_path, *ping_path, *limit_extensions, *allowed_clients;
    bool catches_output;
    int64_t soft_files; /* -1: as the zygote found it */
} settings = {.identity = {.pool = "?", .user = "?"}, .soft_files = -1};
static bool configured;

static struct worker *workers;
static uint32_t slot_count;
static uint32_t alive;    /* ended ones with their last output included */
static uint32_t ended;    /* of these */
static int control_fd, listen_fd, probe_fd, epoll_fd, signal_fd;
static bool draining;
static bool drain_ordered; /* by the master, not because it has gone */

void tsfpm_zygote_watch(int fd, enum tsfpm_source source, uint32_t slot, bool for_writing)
{
    struct epoll_event event = {
        .events = EPOLLIN | (for_writing ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)source << 32 | slot,
    };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) return;
    if (errno != ENOENT || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        tsfpm_die("epoll_ctl: %s", strerror(errno));
}

void tsfpm_zygote_unwatch(int fd)
{
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* The master has gone, or has broken the protocol, which it never does unless it is lost: nobody is left to obey. */
static void drain(void)
{
    draining = true;
    __atomic_store_n(&tsfpm_scoreboard->draining, 1, __ATOMIC_SEQ_CST);
}

void tsfpm_zygote_send(uint16_t type, int32_t slot, int32_t pid, const void *payload, size_t length)
{
    if (tsfpm_control_send(control_fd, type, slot, pid, payload, length, NULL, 0) != 0) drain();
}

/* ---- settings ---- */

static char *copy_text(const uint8_t *bytes, size_t length)
{
    char *text = strndup((const char *)bytes, length);
    if (text == NULL) tsfpm_die("no memory for the pool's settings");
    return text;
}

static int64_t read_integer(const uint8_t *bytes, size_t length)
{
    int64_t wide;
    int32_t narrow;
    if (length == sizeof wide) {
        memcpy(&wide, bytes, sizeof wide);
        return wide;
    }
    if (length != sizeof narrow) tsfpm_die("a setting from the master has a wrong size");
    memcpy(&narrow, bytes, sizeof narrow);
    return narrow;
}

static void read_groups(const uint8_t *bytes, size_t length)
{
    settings.identity.group_count = length / sizeof(uint32_t);
    settings.identity.groups = calloc(settings.identity.group_count + 1, sizeof *settings.identity.groups);
    if (settings.identity.groups == NULL) tsfpm_die("no memory for the pool's settings");
    for (size_t i = 0; i < settings.identity.group_count; i++) {
        uint32_t gid;
        memcpy(&gid, bytes + i * sizeof gid, sizeof gid);
        settings.identity.groups[i] = gid;
    }
}

/* The environment and the locked values come as repeated settings: both lists are built in one pass each. */
static void read_lists(const uint8_t *payload, size_t length)
{
    size_t variables = 0, values = 0;
    struct tsfpm_setting setting;
    for (size_t at = 0; at + sizeof setting <= length; at += sizeof setting + setting.length) {
        memcpy(&setting, payload + at, sizeof setting);
        variables += setting.key == TSFPM_SETTING_ENV;
        values += setting.key == TSFPM_SETTING_ADMIN_VALUE;
    }
    char **environment = calloc(variables + 1, sizeof *environment);
    char **names = calloc(values + 1, sizeof *names);
    char **texts = calloc(values + 1, sizeof *texts);
    if (environment == NULL || names == NULL || texts == NULL) tsfpm_die("no memory for the pool's settings");
    variables = values = 0;
    for (size_t at = 0; at + sizeof setting <= length; at += sizeof setting + setting.length) {
        memcpy(&setting, payload + at, sizeof setting);
        const uint8_t *bytes = payload + at + sizeof setting;
        if (setting.key == TSFPM_SETTING_ENV) environment[variables++] = copy_text(bytes, setting.length);
        if (setting.key == TSFPM_SETTING_ADMIN_VALUE) {
            size_t name_length = strnlen((const char *)bytes, setting.length);
            if (name_length == setting.length) tsfpm_die("a php_admin_value from the master has no value");
            names[values] = copy_text(bytes, name_length);
            texts[values++] = copy_text(bytes + name_length + 1, setting.length - name_length - 1);
        }
    }
    environ = environment;
    tsfpm_locked_values_take(names, texts, values);
    free(names); /* the strings stay, the module points at the texts */
    free(texts);
}

static void configure(const uint8_t *payload, size_t length)
{
    struct tsfpm_setting setting;
    for (size_t at = 0; at < length; at += sizeof setting + setting.length) {
        if (length - at < sizeof setting) tsfpm_die("the settings from the master are cut off");
        memcpy(&setting, payload + at, sizeof setting);
        const uint8_t *bytes = payload + at + sizeof setting;
        if (setting.length > length - at - sizeof setting) tsfpm_die("the settings from the master are cut off");
        switch ((enum tsfpm_setting_key)setting.key) {
        case TSFPM_SETTING_POOL: settings.identity.pool = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_USER: settings.identity.user = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_UID:
            settings.identity.uid = (uid_t)read_integer(bytes, setting.length);
            settings.identity.has_uid = true;
            break;
        case TSFPM_SETTING_GID:
            settings.identity.gid = (gid_t)read_integer(bytes, setting.length);
            settings.identity.has_gid = true;
            break;
        case TSFPM_SETTING_GROUPS: read_groups(bytes, setting.length); break;
        case TSFPM_SETTING_RLIMIT_FILES: settings.identity.rlimit_files = read_integer(bytes, setting.length); break;
        case TSFPM_SETTING_RLIMIT_CORE: settings.identity.rlimit_core = read_integer(bytes, setting.length); break;
        case TSFPM_SETTING_PRIORITY:
            settings.identity.priority = (int32_t)read_integer(bytes, setting.length);
            settings.identity.has_priority = true;
            break;
        case TSFPM_SETTING_DUMPABLE: settings.identity.dumpable = read_integer(bytes, setting.length) != 0; break;
        case TSFPM_SETTING_CHROOT: settings.identity.chroot = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_CHDIR: settings.identity.chdir = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_APPARMOR_HAT: settings.identity.apparmor_hat = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_SOFT_FILES: settings.soft_files = read_integer(bytes, setting.length); break;
        case TSFPM_SETTING_ZYGOTE_TITLE: settings.zygote_title = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_WORKER_TITLE: settings.worker_title = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_STATUS_PATH: settings.status_path = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_PING_PATH: settings.ping_path = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_LIMIT_EXTENSIONS: settings.limit_extensions = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_ALLOWED_CLIENTS: settings.allowed_clients = copy_text(bytes, setting.length); break;
        case TSFPM_SETTING_CATCH_OUTPUT: settings.catches_output = read_integer(bytes, setting.length) != 0; break;
        case TSFPM_SETTING_LOG_FIELD:
            if (!tsfpm_access_log_add_field(bytes, setting.length)) tsfpm_die("the access log needs too many fields");
            break;
        case TSFPM_SETTING_LOG_LEVEL: tsfpm_messages_configure((enum tsfpm_level)read_integer(bytes, setting.length)); break;
        case TSFPM_SETTING_TIME_ZONES: tsfpm_jail_take_time_zones(bytes, setting.length); break;
        case TSFPM_SETTING_ENV:
        case TSFPM_SETTING_ADMIN_VALUE: break; /* read_lists */
        default: tsfpm_die("unknown setting %u from the master", setting.key);
        }
    }
    if (settings.identity.has_uid != settings.identity.has_gid) tsfpm_die("the master named a user or a group, not both");
    if (settings.identity.chroot != NULL) tsfpm_jail_prepare(settings.identity.chroot);
    struct rlimit *files = &settings.identity.files;
    if (settings.soft_files >= 0 && (rlim_t)settings.soft_files < files->rlim_cur) files->rlim_cur = (rlim_t)settings.soft_files;
    read_lists(payload, length);
    tsfpm_relay_configure(settings.status_path, settings.ping_path);
    tsfpm_main_script_configure(settings.limit_extensions);
    if (settings.allowed_clients != NULL) tsfpm_allowed_clients_configure(settings.allowed_clients);
    /* Each worker tells of them, as under php-fpm; where nothing that it says is kept, they must not go unsaid. */
    if (!settings.catches_output) tsfpm_allowed_clients_tell_mistakes();
    if (settings.zygote_title != NULL) tsfpm_title_set(settings.zygote_title);
    configured = true;
}

/* ---- a new worker, still with the zygote's rights ---- */

/*
 * A pipe belongs to who made it, and /dev/stderr or /proc/self/fd/2 is opened anew with the worker's own rights. Without
 * the right to do this (CAP_CHOWN) such a path stays closed to scripts, as under php-fpm; what is open works all the same.
 */
static void give_pipes(const int pipes[2][2])
{
    for (int i = 0; i < 2; i++)
        if (fchown(pipes[i][1], settings.identity.uid, settings.identity.gid) != 0) return;
}

static void become_worker(uint32_t slot, bool is_probe, const int pipes[2][2], int channel, pid_t zygote)
{
    if (dup2(pipes[0][1], STDOUT_FILENO) < 0 || dup2(pipes[1][1], STDERR_FILENO) < 0) _exit(70);
    if (settings.identity.has_uid) give_pipes(pipes);
    int listen = fcntl(is_probe ? probe_fd : listen_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int kept_channel = fcntl(channel, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (listen < 0 || kept_channel < 0)
        tsfpm_worker_fails(settings.identity.pool, "cannot keep the listening socket");
    tsfpm_descriptors_close_own();
    tsfpm_identity_take(&settings.identity);
    /* After the identity, which clears it: a zygote that is killed takes its workers along, after their requests. */
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != zygote) _exit(0);
    tsfpm_role = TSFPM_ROLE_WORKER;
    if (settings.worker_title != NULL) tsfpm_title_set(settings.worker_title);
    /* Up to here what goes wrong is told in any case: php-fpm then shows nothing but an exit code. */
    tsfpm_output_begin(slot, settings.catches_output);
    if (is_probe) tsfpm_worker_limit_requests(NULL); /* the master ends it, once it has its answer */
    else tsfpm_allowed_clients_tell_mistakes();
    if (!is_probe) tsfpm_access_log_begin(slot);
    tsfpm_worker_begin(slot, listen, kept_channel);
}

/* ---- the zygote's side of forking ---- */

static void close_pipes(int pipes[2][2])
{
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (pipes[i][j] >= 0) close(pipes[i][j]);
}

static int make_pipes(int pipes[2][2])
{
    memset(pipes, -1, sizeof(int[2][2]));
    for (int i = 0; i < 2; i++) {
        int raw[2];
        if (pipe2(raw, O_CLOEXEC) != 0) goto fail;
        for (int j = 0; j < 2; j++) {
            pipes[i][j] = fcntl(raw[j], F_DUPFD_CLOEXEC, TSFPM_OWN_FDS_FROM);
            int error = errno;
            close(raw[j]);
            errno = error;
        }
        if (pipes[i][0] < 0 || pipes[i][1] < 0) goto fail;
        fcntl(pipes[i][0], F_SETFL, O_NONBLOCK);
    }
    return 0;
fail:;
    int error = errno;
    close_pipes(pipes);
    errno = error;
    return -1;
}

/* For the next worker. Until then the slot tells what the last one was doing when it ended. */
static void clear_slot(uint32_t index)
{
    struct tsfpm_slot *slot = tsfpm_scoreboard_slot(index);
    tsfpm_slot_begin(slot);
    memset((char *)slot + sizeof slot->sequence, 0, sizeof *slot - sizeof slot->sequence);
    slot->stage = TSFPM_STAGE_STARTING;
    tsfpm_slot_end(slot);
}

/* Returns 0 in the new worker, its pid in the zygote, -1 with errno. */
static pid_t fork_worker(uint32_t slot, bool is_probe)
{
    int pipes[2][2], channel[2];
    if (make_pipes(pipes) != 0) return -1;
    if (tsfpm_channel_make(channel) != 0) goto no_channel;
    clear_slot(slot);
    tsfpm_access_log_clear(slot);
    /* Workers can write there too: whatever one has left there is not for the next. */
    __atomic_store_n(&tsfpm_scoreboard->draining, draining ? 1u : 0u, __ATOMIC_SEQ_CST);
    pid_t zygote = getpid();
    tsfpm_is_forking_worker = true;
    pid_t pid = tsfpm_libc()->fork();
    int fork_error = errno;
    tsfpm_is_forking_worker = false;
    errno = fork_error;
    if (pid == 0) {
        become_worker(slot, is_probe, pipes, channel[1], zygote);
        return 0;
    }
    if (pid < 0) goto no_worker;
    close(pipes[0][1]);
    close(pipes[1][1]);
    close(channel[1]);
    workers[slot] = (struct worker){.pid = pid, .is_probe = is_probe};
    alive++;
    if (tsfpm_forward_open(slot, pid, pipes[0][0], pipes[1][0]) != 0) tsfpm_die("epoll_ctl: %s", strerror(errno));
    tsfpm_channel_open(slot, pid, channel[0]);
    return pid;

    int error;
no_worker:
    error = errno;
    close(channel[0]);
    close(channel[1]);
    errno = error;
no_channel:
    error = errno;
    close_pipes(pipes);
    errno = error;
    return -1;
}

/* Returns true in the new worker. */
static bool on_fork(int32_t slot, bool is_probe)
{
    int32_t error = 0;
    if (!configured || slot < 0 || (uint32_t)slot >= slot_count) error = EINVAL;
    else if (workers[slot].pid != 0) error = EBUSY;
    else if (draining) error = ESHUTDOWN;
    if (error == 0) {
        pid_t pid = fork_worker((uint32_t)slot, is_probe);
        if (pid == 0) return true;
        if (pid > 0) {
            tsfpm_zygote_send(TSFPM_FRAME_FORKED, slot, pid, NULL, 0);
            return false;
        }
        error = errno;
    }
    tsfpm_zygote_send(TSFPM_FRAME_FORK_FAILED, slot, 0, &error, sizeof error);
    return false;
}

/* ---- ends of workers ---- */

/* What the worker counted goes into the sums of the scoreboard; not what a probe counted, which served no client. */
static void count_out(uint32_t index, bool is_probe)
{
    struct tsfpm_slot *slot = tsfpm_scoreboard_slot(index);
    struct tsfpm_scoreboard_header *header = tsfpm_scoreboard;
    /* Until the end of it a reader finds the slot unreadable: nothing is counted here and there at once. */
    tsfpm_slot_begin(slot);
    if (!is_probe) {
        header->past_accepted += slot->accepted;
        header->past_finished += slot->finished;
        if (slot->memory_peak > header->past_memory_peak) header->past_memory_peak = slot->memory_peak;
        header->past_duration_sum_ns += slot->duration_sum_ns;
        for (size_t i = 0; i < TSFPM_DURATION_BUCKETS; i++)
            header->past_duration_buckets[i] += slot->duration_buckets[i];
    }
    if (slot->stage == TSFPM_STAGE_ACCEPTING) __atomic_sub_fetch(&header->idle, 1, __ATOMIC_RELAXED);
    if (slot->stage == TSFPM_STAGE_WAITING) __atomic_sub_fetch(&header->waiting, 1, __ATOMIC_RELAXED);
    if (slot->stage != TSFPM_STAGE_STARTING) __atomic_sub_fetch(&header->ready, 1, __ATOMIC_RELAXED);
    slot->accepted = slot->finished = slot->memory_peak = slot->duration_sum_ns = 0;
    memset(slot->duration_buckets, 0, sizeof slot->duration_buckets);
    tsfpm_slot_end(slot);
}

/* Once what it printed is on its way: the master hears of its end after that. */
static void finish_worker(uint32_t slot)
{
    struct worker *worker = &workers[slot];
    if (!tsfpm_forward_last(slot)) return;
    /* Whether it had served anything tells the master a worker that cannot start from one that crashed in a script. */
    uint64_t accepted = tsfpm_scoreboard_slot(slot)->accepted;
    struct {
        int32_t status;
        uint32_t accepted;
    } end = {worker->status, accepted > UINT32_MAX ? UINT32_MAX : (uint32_t)accepted};
    count_out(slot, worker->is_probe);
    pid_t pid = worker->pid;
    *worker = (struct worker){0};
    alive--;
    ended--;
    tsfpm_zygote_send(TSFPM_FRAME_EXITED, (int32_t)slot, pid, &end, sizeof end);
}

static void finish_ended_workers(void)
{
    for (uint32_t slot = 0; ended > 0 && slot < slot_count; slot++)
        if (workers[slot].has_ended) finish_worker(slot);
}

static void on_exit_of(uint32_t slot, int32_t status)
{
    workers[slot].has_ended = true;
    workers[slot].retiring = false;
    workers[slot].status = status;
    ended++;
    tsfpm_channel_close(slot);
    finish_worker(slot);
}

static void reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (uint32_t slot = 0; slot < slot_count; slot++)
            if (workers[slot].pid == pid && !workers[slot].has_ended) {
                on_exit_of(slot, status);
                break;
            }
}

/*
 * Tells the workers that are to leave, once they have nothing in hand: a signal in the middle of a script would cut its
 * sleep() short. What they say of themselves decides only when they are told.
 */
static void tell_leaving_workers(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    for (uint32_t i = 0; i < slot_count; i++) {
        if (workers[i].pid == 0 || workers[i].has_ended || !(draining || workers[i].retiring)) continue;
        struct tsfpm_slot *slot = tsfpm_scoreboard_slot(i);
        uint32_t stage = __atomic_load_n(&slot->stage, __ATOMIC_RELAXED);
        uint64_t idle_ns = now_ns - __atomic_load_n(&slot->idle_since_ns, __ATOMIC_RELAXED);
        if (stage == TSFPM_STAGE_ACCEPTING ||
            (stage == TSFPM_STAGE_WAITING && idle_ns > TSFPM_KEPT_ALIVE_GRACE_NS))
            kill(workers[i].pid, SIGTERM);
    }
}

static bool any_leaving(void)
{
    if (draining) return true;
    for (uint32_t i = 0; i < slot_count; i++)
        if (workers[i].retiring) return true;
    return false;
}

/* How long to wait for events at most; -1: for ever. */
static int patience_ms(void)
{
    int output_ms = tsfpm_forward_wait_ms();
    if (!any_leaving()) return output_ms;
    return output_ms >= 0 && output_ms < LEAVE_CHECK_MS ? output_ms : LEAVE_CHECK_MS;
}

/* ---- the master's commands ---- */

static uint8_t *command;       /* header and payload of the frame that is being received */
static size_t command_length;  /* bytes of it that are here */
static size_t command_capacity;

static struct worker *worker_named(const struct tsfpm_frame *frame)
{
    if (frame->slot < 0 || (uint32_t)frame->slot >= slot_count) return NULL;
    struct worker *worker = &workers[frame->slot];
    return worker->pid != 0 && worker->pid == frame->pid && !worker->has_ended ? worker : NULL;
}

/* Returns true in a new worker. */
static bool obey(const struct tsfpm_frame *frame, const uint8_t *payload)
{
    struct worker *worker = worker_named(frame);
    switch (frame->type) {
    case TSFPM_FRAME_CONFIGURE:
        if (!configured) configure(payload, frame->length);
        return false;
    case TSFPM_FRAME_FORK: return on_fork(frame->slot, false);
    case TSFPM_FRAME_FORK_PROBE: return on_fork(frame->slot, true);
    case TSFPM_FRAME_ECHO: tsfpm_zygote_send(TSFPM_FRAME_ECHOED, -1, 0, NULL, 0); return false;
    case TSFPM_FRAME_DRAIN:
        drain_ordered = true;
        drain();
        return false;
    case TSFPM_FRAME_ARM: tsfpm_channels_arm((uint32_t)read_integer(payload, frame->length)); return false;
    case TSFPM_FRAME_LOGS_READ: tsfpm_channels_logs_read(); return false;
    case TSFPM_FRAME_ANSWER:
        if (worker != NULL) tsfpm_channel_answer((uint32_t)frame->slot, payload, frame->length);
        return false;
    case TSFPM_FRAME_RETIRE:
        if (worker == NULL) return false;
        worker->retiring = true;
        /* A worker whose clients wait for it is never found idle: it looks here before it takes the next. */
        __atomic_store_n(&tsfpm_scoreboard_slot((uint32_t)frame->slot)->leave, 1, __ATOMIC_SEQ_CST);
        return false;
    default: tsfpm_die("unknown command %u from the master", frame->type);
    }
}

/* Returns true in a new worker. */
static bool on_control(void)
{
    struct tsfpm_frame frame;
    for (;;) {
        size_t wanted = sizeof frame;
        if (command_length >= sizeof frame) {
            memcpy(&frame, command, sizeof frame);
            if (frame.version != TSFPM_CONTROL_VERSION || frame.length > TSFPM_FRAME_PAYLOAD_MAX)
                tsfpm_die("the master speaks another control protocol");
            wanted += frame.length;
            if (command_length == wanted) {
                command_length = 0;
                if (obey(&frame, command + sizeof frame)) return true;
                continue;
            }
        }
        if (wanted > command_capacity) {
            command = realloc(command, wanted);
            if (command == NULL) tsfpm_die("no memory for a command of %zu bytes", wanted);
            command_capacity = wanted;
        }
        ssize_t length = tsfpm_libc()->recv(control_fd, command + command_length, wanted - command_length,
                                            MSG_DONTWAIT);
        if (length > 0) {
            command_length += (size_t)length;
        } else if (length < 0 && errno == EINTR) {
            continue;
        } else {
            if (length == 0 || errno != EAGAIN) {
                epoll_ctl(epoll_fd, EPOLL_CTL_DEL, control_fd, NULL);
                /*
                 * The master died. Workers that finish a request hold the listening socket for as long: without this a
                 * new master would take it for a live one, or find its port in use. Not after a DRAIN: then the
                 * socket may belong to a younger generation by now.
                 */
                if (!drain_ordered) tsfpm_libc()->shutdown(listen_fd, SHUT_RDWR);
                drain();
            }
            return false;
        }
    }
}

/* One of the master's children that gets what was sent to all: SIGCHLD alone says something. */
static void on_signals(void)
{
    struct signalfd_siginfo info;
    while (tsfpm_libc()->read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info) continue;
    reap(); /* SIGCHLD merges: one may stand for many, so always look */
}

/* Two pipes for each worker: where a usual soft limit of 1024 is too low for that, up to the hard one. */
static void raise_descriptor_limit(void)
{
    struct rlimit wanted;
    if (getrlimit(RLIMIT_NOFILE, &wanted) != 0) return; /* a seccomp filter: it stays as it is, and who wants another is told */
    settings.identity.files = wanted; /* for the workers */
    rlim_t needed = TSFPM_OWN_FDS_FROM + OWN_FDS_SPARE + 3 * (rlim_t)slot_count;
    if (wanted.rlim_cur >= needed) return;
    wanted.rlim_cur = needed < wanted.rlim_max ? needed : wanted.rlim_max;
    setrlimit(RLIMIT_NOFILE, &wanted); /* if it fails, forks will, and say so */
}

static void prepare(void)
{
    slot_count = tsfpm_scoreboard_slot_count();
    raise_descriptor_limit();
    workers = calloc((size_t)slot_count + 1, sizeof *workers);
    if (workers == NULL || tsfpm_channels_prepare(slot_count) != 0) tsfpm_die("no memory for %u workers", slot_count);

    sigset_t signals;
    tsfpm_signals_hold_all(&signals);
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (signal_fd < 0 || epoll_fd < 0) tsfpm_die("signalfd or epoll: %s", strerror(errno));
    signal_fd = tsfpm_descriptor_move_up(signal_fd);
    epoll_fd = tsfpm_descriptor_move_up(epoll_fd);
    if (tsfpm_forward_prepare(slot_count) != 0) tsfpm_die("no memory for %u workers", slot_count);
    control_fd = tsfpm_descriptor_move_up(TSFPM_FD_CONTROL);
    listen_fd = tsfpm_descriptor_move_up(TSFPM_FD_LISTEN);
    probe_fd = tsfpm_descriptor_move_up(TSFPM_FD_STAND_IN);
    /* Accepted sockets inherit it: the rest of an answer does not wait for a client's delayed acknowledgement. */
    setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* not a TCP socket: fails, rightly */
    close(TSFPM_FD_SCOREBOARD); /* mapped */
    close(TSFPM_FD_LIBRARY);    /* loaded */
    /* Descriptor 0 was the stand-in; php-cgi goes on to accept "on 0", which the hook turns to the pool's socket. */
    int null = open("/dev/null", O_RDWR); /* stays open in programs that scripts start */
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) tsfpm_die("cannot open /dev/null: %s", strerror(errno));
    if (null != STDIN_FILENO) close(null);
    tsfpm_zygote_watch(control_fd, TSFPM_SOURCE_CONTROL, 0, false);
    tsfpm_zygote_watch(signal_fd, TSFPM_SOURCE_SIGNAL, 0, false);
}

pid_t tsfpm_zygote_run(void)
{
    tsfpm_role = TSFPM_ROLE_ZYGOTE;
    const char *version = tsfpm_php_version;
    if (version == NULL) tsfpm_die("PHP has not loaded the runtime as an extension");
    fflush(NULL); /* PHP's start-up warnings: else every worker inherits them, and prints them when it ends */
    prepare();
    char ready[TSFPM_READY_MAX];
    int length = snprintf(ready, sizeof ready, "%c%s%c%s%c%s", tsfpm_php_is_exposed(), version, 0,
                          tsfpm_php_ini_file(), 0, tsfpm_php_ini_scanned());
    if (length >= (int)sizeof ready) length = sizeof ready - 1;
    tsfpm_zygote_send(TSFPM_FRAME_READY, -1, getpid(), ready, (size_t)length);
    while (!(draining && alive == 0)) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll_fd, events, 64, patience_ms());
        for (int i = 0; i < count; i++) {
            uint32_t slot = (uint32_t)events[i].data.u64;
            switch ((enum tsfpm_source)(events[i].data.u64 >> 32)) {
            case TSFPM_SOURCE_CONTROL:
                if (on_control()) return 0;
                break;
            case TSFPM_SOURCE_SIGNAL: on_signals(); break;
            case TSFPM_SOURCE_OUTPUT: tsfpm_forward_event(); break;
            case TSFPM_SOURCE_CHANNEL: tsfpm_channel_event(slot); break;
            }
        }
        finish_ended_workers();
        tell_leaving_workers();
    }
    _exit(0);
}
