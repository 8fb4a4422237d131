/*
 * The zygote: a php-cgi that has loaded PHP, its extensions and opcache's shared memory, and never serves. It forks
 * workers when the master says so, reaps them, and passes on what they print, tell and ask. It keeps the master's
 * rights: what a worker can write it forwards with the name of that worker, or reads as a claim.
 *
 * It ends when the master has gone (its end of the control channel is closed) or says DRAIN, after its last worker.
 */
#define _GNU_SOURCE
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "access-log.h"
#include "channels.h"
#include "control.h"
#include "descriptors.h"
#include "events.h"
#include "forward.h"
#include "keeper-link.h"
#include "libc.h"
#include "php.h"
#include "scoreboard.h"
#include "settings.h"
#include "signals.h"
#include "spawn.h"
#include "worker-table.h"

/*
 * Descriptors besides two pipes and a channel for each worker: those that it keeps, and a new worker's while it is
 * made.
 */
#define OWN_FDS_SPARE 16

#define USED_BY_START ((uintptr_t)128 << 10)

static struct tsfpm_settings settings;
static bool is_configured;
static int listen_fd, probe_fd, signal_fd;
static bool drain_ordered; /* by the master, not because it has gone */

/* ---- the master's commands ---- */

/* Returns true in the new worker. */
static bool on_fork(int32_t slot, bool is_probe)
{
    int32_t error = is_configured ? tsfpm_workers_refusal(slot) : EINVAL;
    if (error == 0) {
        pid_t pid = tsfpm_spawn((uint32_t)slot, is_probe ? probe_fd : listen_fd, is_probe, &settings);
        if (pid == 0) return true;
        if (pid > 0) {
            tsfpm_control_send(TSFPM_FRAME_FORKED, slot, pid, NULL, 0);
            return false;
        }
        error = errno;
    }
    tsfpm_control_send(TSFPM_FRAME_FORK_FAILED, slot, 0, &error, sizeof error);
    return false;
}

/* Returns true in the errand. Where there is none its connection is closed, which tells the master. */
static bool on_errand(void)
{
    int connection = tsfpm_control_take_descriptor();
    if (connection < 0) return false; /* no descriptor is free: the kernel has closed it */
    bool may_fork = is_configured && !tsfpm_scoreboard_is_draining();
    if (may_fork && tsfpm_spawn_errand(connection, &settings) == 0) return true;
    tsfpm_libc()->close(connection);
    return false;
}

static void on_configure(const uint8_t *payload, size_t length)
{
    if (is_configured) return;
    tsfpm_settings_take(&settings, payload, length);
    is_configured = true;
}

static void on_arm(const uint8_t *payload, size_t length)
{
    uint32_t idle_wanted;
    if (length != sizeof idle_wanted) tsfpm_die("a command from the master has a wrong size");
    memcpy(&idle_wanted, payload, sizeof idle_wanted);
    tsfpm_channels_arm(idle_wanted);
}

/*
 * From now on no worker waits in accept() any more, where it would not see what comes from the keeper: the socket does
 * not block, so that those that are there come back when a signal has them look again, also just before they call it.
 */
static void on_keeper(void)
{
    int fd = tsfpm_control_take_descriptor();
    if (fd < 0) tsfpm_die("a command from the master lacks its descriptor");
    if (tsfpm_keeper_fd >= 0) {
        tsfpm_libc()->close(fd);
        return;
    }
    tsfpm_keeper_fd = tsfpm_descriptor_move_up(fd);
    int flags = fcntl(listen_fd, F_GETFL);
    if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) != 0)
        tsfpm_die("fcntl on the listening socket: %s", strerror(errno));
    tsfpm_scoreboard_begin_keeping();
    tsfpm_workers_wake();
}

/* Returns true in a new worker or errand. */
static bool obey(const struct tsfpm_frame *frame, const uint8_t *payload)
{
    switch (frame->type) {
    case TSFPM_FRAME_CONFIGURE: on_configure(payload, frame->length); return false;
    case TSFPM_FRAME_FORK: return on_fork(frame->slot, false);
    case TSFPM_FRAME_FORK_PROBE: return on_fork(frame->slot, true);
    case TSFPM_FRAME_ERRAND: return on_errand();
    case TSFPM_FRAME_ECHO: tsfpm_control_send(TSFPM_FRAME_ECHOED, -1, 0, NULL, 0); return false;
    case TSFPM_FRAME_DRAIN:
        drain_ordered = true;
        tsfpm_scoreboard_drain();
        return false;
    case TSFPM_FRAME_KEEPER: on_keeper(); return false;
    case TSFPM_FRAME_ARM: on_arm(payload, frame->length); return false;
    case TSFPM_FRAME_LOGS_READ: tsfpm_channels_logs_read(); return false;
    case TSFPM_FRAME_ANSWER:
        if (tsfpm_workers_has(frame->slot, frame->pid))
            tsfpm_channel_answer((uint32_t)frame->slot, payload, frame->length);
        return false;
    case TSFPM_FRAME_RETIRE:
        if (tsfpm_workers_has(frame->slot, frame->pid)) tsfpm_workers_retire((uint32_t)frame->slot);
        return false;
    default: tsfpm_die("unknown command %u from the master", frame->type);
    }
}

static void on_master_gone(void)
{
    /*
     * The master died. Workers that finish a request hold the listening socket for as long: without this a new master
     * would take it for a live one, or find its port in use. Not after a DRAIN: then the socket may belong to a younger
     * generation by now.
     */
    if (!drain_ordered) tsfpm_libc()->shutdown(listen_fd, SHUT_RDWR);
    tsfpm_scoreboard_drain();
}

/* Returns true in a new worker or errand. */
static bool on_control(void)
{
    struct tsfpm_frame frame;
    const uint8_t *payload;
    for (;;) {
        switch (tsfpm_control_receive(&frame, &payload)) {
        case TSFPM_CONTROL_FRAME:
            if (obey(&frame, payload)) return true;
            break;
        case TSFPM_CONTROL_WAIT: return false;
        case TSFPM_CONTROL_GONE: on_master_gone(); return false;
        }
    }
}

/* Any signal may be here, sent to all processes of the master; only SIGCHLD means something. */
static void on_signals(void)
{
    struct signalfd_siginfo info;
    while (tsfpm_libc()->read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info) continue;
    tsfpm_workers_reap();
}

/* ---- the start ---- */

/* Two pipes for each worker: where a usual soft limit of 1024 is too low for that, up to the hard one. */
static void raise_descriptor_limit(uint32_t slot_count)
{
    struct rlimit wanted;
    if (getrlimit(RLIMIT_NOFILE, &wanted) != 0) return; /* a seccomp filter refuses it: the limit stays */
    settings.identity.files = wanted; /* for the workers */
    rlim_t needed = TSFPM_OWN_FDS_FROM + OWN_FDS_SPARE + 3 * (rlim_t)slot_count;
    if (wanted.rlim_cur >= needed) return;
    wanted.rlim_cur = needed < wanted.rlim_max ? needed : wanted.rlim_max;
    setrlimit(RLIMIT_NOFILE, &wanted); /* if it fails, forks will, and say so */
}

static void prepare(void)
{
    uint32_t slot_count = tsfpm_scoreboard_slot_count();
    tsfpm_access_log_zygote_begins();
    raise_descriptor_limit(slot_count);
    if (tsfpm_workers_prepare(slot_count) != 0 || tsfpm_channels_prepare(slot_count) != 0)
        tsfpm_die("no memory for %u workers", slot_count);

    sigset_t signals;
    tsfpm_signals_hold_all(&signals);
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0) tsfpm_die("signalfd: %s", strerror(errno));
    signal_fd = tsfpm_descriptor_move_up(signal_fd);
    tsfpm_events_prepare();
    if (tsfpm_forward_prepare(slot_count) != 0) tsfpm_die("no memory for %u workers", slot_count);
    tsfpm_control_begin();
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
    tsfpm_events_watch(signal_fd, TSFPM_SOURCE_SIGNAL, 0, false);
}

/*
 * What the start has used of the stack below this is not needed again, and is private memory of each of thousands of
 * zygotes. The kernel keeps other mappings a megabyte away from a stack.
 */
static void give_back_stack(void)
{
    char here;
    const uintptr_t page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)&here & ~(page_size - 1)) - page_size; /* one page stays: madvise() is called on it */
    madvise((void *)(end - USED_BY_START), USED_BY_START, MADV_DONTNEED);
}

pid_t tsfpm_zygote_run(void)
{
    tsfpm_role = TSFPM_ROLE_ZYGOTE;
    fflush(NULL); /* PHP's start-up warnings: else every worker inherits them, and prints them when it ends */
    prepare();
    tsfpm_control_send_ready();
    give_back_stack();
    while (!(tsfpm_scoreboard_is_draining() && tsfpm_workers_are_gone())) {
        struct tsfpm_event events[TSFPM_EVENTS_MOST];
        int count = tsfpm_events_wait(events, tsfpm_workers_patience_ms());
        for (int i = 0; i < count; i++) {
            switch (events[i].source) {
            case TSFPM_SOURCE_CONTROL:
                if (on_control()) return 0;
                break;
            case TSFPM_SOURCE_SIGNAL: on_signals(); break;
            case TSFPM_SOURCE_OUTPUT: tsfpm_forward_event(); break;
            case TSFPM_SOURCE_CHANNEL: tsfpm_channel_event(events[i].slot); break;
            }
        }
        tsfpm_workers_tend();
    }
    _exit(0);
}
