/*
 * The keeper against hostile workers: right packets, damaged ones, many descriptors, none, what is no connection, and
 * clients that send and close at any moment. Whatever comes: each connection is held, offered or closed, none is lost,
 * no descriptor stays behind, and a connection with a request is offered.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../src/keeper/connections.h"
#include "../../src/keeper/keeper.h"
#include "fuzz.h"

#define LIMIT 256u
#define MOST 12u
#define CLIENTS 40

static int ends[2]; /* the keeper's, the workers' */
static struct tsfpm_keeper_page page;
static volatile sig_atomic_t is_finishing;
static int clients[CLIENTS]; /* the far ends of connections that were handed over; -1: closed */
static bool has_sent[CLIENTS];
static size_t client_count;

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = -3; /* `.`, `..` and itself */
    if (folder == NULL) fuzz_fail("no /proc");
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count;
}

static void send_packet(const uint8_t *bytes, size_t length, const int *fds, size_t count)
{
    _Alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int) * 8)] = {0};
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(rights), fds, sizeof(int) * count);
    }
    sendmsg(ends[1], &message, MSG_DONTWAIT | MSG_NOSIGNAL); /* a full socket is one of the cases */
}

static void hand_over_client(void)
{
    int pair[2];
    if (client_count == CLIENTS || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return;
    bool sends = fuzz_below(3) == 0;
    if (sends && write(pair[0], "x", 1) != 1) fuzz_fail("a client cannot write");
    if (tsfpm_hand_over_send(ends[1], pair[1]) == 0) {
        has_sent[client_count] = sends;
        clients[client_count++] = pair[0];
    } else {
        if (errno != EAGAIN) fuzz_fail("a hand-over fails: %s", strerror(errno));
        close(pair[0]);
    }
    close(pair[1]);
}

static void send_noise(void)
{
    uint8_t bytes[64];
    struct tsfpm_hand_over right = {TSFPM_HAND_OVER_MAGIC, TSFPM_HAND_OVER_VERSION};
    size_t length = sizeof right;
    memcpy(bytes, &right, sizeof right);
    switch (fuzz_below(5)) {
    case 0: bytes[fuzz_below(length)] ^= (uint8_t)(1u << fuzz_below(8)); break;
    case 1: length = fuzz_below(length); break;
    case 2: fuzz_fill(bytes, length = fuzz_below(sizeof bytes)); break;
    default: break;
    }
    int others[] = {ends[fuzz_below(2)], open("/dev/null", O_RDWR | O_CLOEXEC), memfd_create("noise", MFD_CLOEXEC),
                    socket(AF_UNIX, fuzz_below(2) ? SOCK_DGRAM : SOCK_STREAM, 0), STDERR_FILENO};
    int picked[8];
    size_t count = fuzz_below(9);
    for (size_t i = 0; i < count; i++) picked[i] = others[fuzz_below(sizeof others / sizeof *others)];
    send_packet(bytes, length, picked, count);
    for (int i = 1; i < 4; i++) close(others[i]);
}

static void client_acts(void)
{
    size_t i = fuzz_below(client_count);
    if (client_count == 0 || clients[i] < 0) return;
    if (fuzz_below(2) == 0) {
        close(clients[i]);
        clients[i] = -1;
    } else if (send(clients[i], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) {
        has_sent[i] = true;
    }
}

/* A worker takes what is offered, which has a request or whose client has gone since. */
static void take_offers(void)
{
    int fd;
    while ((fd = tsfpm_hand_over_receive(ends[1])) >= 0) {
        char byte;
        ssize_t length = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (length < 0 && errno == EAGAIN) fuzz_fail("a connection without a request is offered");
        close(fd);
    }
    if (errno != EAGAIN) fuzz_fail("the keeper has sent what is no hand-over: %s", strerror(errno));
}

static void turn(void)
{
    if (!tsfpm_keeper_turn(0, NULL) && !is_finishing) fuzz_fail("the keeper has ended");
    if (page.held + page.ready > MOST) fuzz_fail("%u connections are held", page.held + page.ready);
}

/* Clients that the keeper has not closed and nobody was offered: those are idle. */
static void settle(void)
{
    for (int i = 0; i < 64; i++) {
        turn();
        take_offers();
    }
    if (page.ready != 0) fuzz_fail("%u connections are ready, and not offered", page.ready);
    size_t alive = 0;
    for (size_t i = 0; i < client_count; i++) {
        char byte;
        if (clients[i] < 0) continue;
        ssize_t length = recv(clients[i], &byte, 1, MSG_DONTWAIT);
        bool is_held = length < 0 && errno == EAGAIN;
        if (is_held && has_sent[i]) fuzz_fail("a request is held back");
        alive += is_held;
    }
    /* What a packet of noise brought may be held too: sockets whose other end is not among the clients. */
    if (page.held < alive) fuzz_fail("%u connections are held, not %zu", page.held, alive);
}

static void fuzz_round(void)
{
    static int first_count;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) fuzz_fail("no socket pair");
    is_finishing = 0;
    client_count = 0;
    page = (struct tsfpm_keeper_page){0};
    const struct tsfpm_keeper_plan plan = {
        .socket_fd = ends[0], .page = &page, .descriptor_limit = LIMIT, .most = MOST, .is_finishing = &is_finishing};
    if (tsfpm_keeper_begin(&plan) != 0) fuzz_fail("the keeper cannot begin");
    for (size_t acts = fuzz_below(200); acts > 0; acts--)
        switch (fuzz_below(6)) {
        case 0:
        case 1: hand_over_client(); break;
        case 2: send_noise(); break;
        case 3: client_acts(); break;
        case 4: turn(); break;
        default: take_offers(); break;
        }
    settle();
    is_finishing = 1;
    for (int i = 0; i < 64 && tsfpm_keeper_turn(0, NULL); i++) take_offers();
    if (page.held + page.ready != 0) fuzz_fail("the keeper has ended with connections in hand");
    take_offers();
    close(ends[0]);
    close(ends[1]);
    for (size_t i = 0; i < client_count; i++)
        if (clients[i] >= 0) close(clients[i]);
    int count = open_descriptors();
    if (first_count == 0) first_count = count;
    if (count != first_count) fuzz_fail("%d descriptors are open, not %d", count, first_count);
}

int main(int argc, char **argv)
{
    const struct rlimit files = {LIMIT, LIMIT};
    setrlimit(RLIMIT_NOFILE, &files);
    return fuzz_main(argc, argv, fuzz_round);
}
