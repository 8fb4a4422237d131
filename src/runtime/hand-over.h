/*
 * A kept connection that passes between a worker and the keeper of its pool: one packet on a SOCK_SEQPACKET pair, which
 * carries the connection's descriptor (SCM_RIGHTS). Both ends are the pool's user, and both may be hostile to the
 * other: whoever receives takes one descriptor from a packet that is right in every byte, and closes all else.
 *
 *      workers of all generations --- W ====== K --- keeper
 *
 * On W any worker hands over, and any worker receives what has a next request. src/keeper/ is the other end.
 */
#ifndef TSFPM_HAND_OVER_H
#define TSFPM_HAND_OVER_H

#include <assert.h>
#include <stdint.h>

#define TSFPM_HAND_OVER_MAGIC 0x5645504bu /* "KPEV" in memory */
#define TSFPM_HAND_OVER_VERSION 1u

struct tsfpm_hand_over {
    uint32_t magic;
    uint32_t version;
};
static_assert(sizeof(struct tsfpm_hand_over) == 8, "layout");

/*
 * What the keeper tells the master: one page of a shared file that the master made, sized and sealed. The keeper alone
 * writes it; the master reads it by file reads and takes every byte for a claim. src/keeping/layout.ts names the same
 * fields; a test compares both.
 */
struct tsfpm_keeper_page {
    uint32_t held;  /* connections without a next request */
    uint32_t ready; /* connections with one that no worker can be offered yet: W is full */
    uint64_t closed; /* idle connections that were closed because there was no descriptor for another, in all */
};
static_assert(sizeof(struct tsfpm_keeper_page) == 16, "layout");

#define TSFPM_KEEPER_PAGE_SIZE 4096u

/* Hands a copy of the descriptor over; it stays open here. Never waits. Returns 0, or -1 with errno (EAGAIN: full). */
int tsfpm_hand_over_send(int socket_fd, int connection);

/*
 * Receives one connection; never waits. Returns its descriptor, or -1 with errno: EAGAIN where there is none, EPROTO
 * where a packet came that is none or brings no descriptor (also where there was no room for it: then EMFILE).
 */
int tsfpm_hand_over_receive(int socket_fd);

#endif
