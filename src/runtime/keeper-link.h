/* A worker's way to the keeper of its pool (src/keeper/), to which kept connections go that hold up others. */
#ifndef TSFPM_KEEPER_LINK_H
#define TSFPM_KEEPER_LINK_H

#include <stdbool.h>

/*
 * W, the workers' end of the socket pair; -1: none yet. In the zygote it is what workers inherit that are forked from
 * now on; a worker that was forked before asks for it once the scoreboard says that there is one.
 */
extern int tsfpm_keeper_fd;

/* In a new worker: the end that it has from its zygote, or -1. A probe, which serves the master alone, has none. */
void tsfpm_keeper_begin(int fd, bool is_probe);

/*
 * Whether connections may come from the keeper: from then on this worker waits for those, too, wherever it waits. May
 * ask the zygote, once.
 */
bool tsfpm_keeper_is_in_use(void);

/* Whether it takes connections as well. */
bool tsfpm_keeper_takes(void);

/* A client keeps its connection: there should be a keeper, if there is none. Tells the zygote once. */
void tsfpm_keeper_want(void);

/*
 * Hands a connection over that is between two requests, of which nothing is unread here. Returns false where that
 * cannot be done: there is no keeper, or it is behind with its work. Never waits.
 */
bool tsfpm_keeper_hand_over(int connection);

/* The same for a worker that cannot keep the connection: waits a moment for a keeper that is behind. */
bool tsfpm_keeper_hand_over_for_good(int connection);

void tsfpm_keeper_end(void); /* in a script's child, and where nobody is at the other end. Async-signal-safe */

#endif
