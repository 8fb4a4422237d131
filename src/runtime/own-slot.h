/* What this worker tells on the scoreboard: its slot, and its share of the counters of all workers. */
#ifndef TSFPM_OWN_SLOT_H
#define TSFPM_OWN_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scoreboard.h"

void tsfpm_own_slot_start(uint32_t index); /* right after the fork */
bool tsfpm_own_slot_says_leave(void);      /* the master, or the zygote, has written that into the slot */

void tsfpm_own_slot_stage(enum tsfpm_stage stage);
void tsfpm_own_slot_idle(enum tsfpm_stage stage, uint64_t since_ns); /* CLOCK_MONOTONIC */

/* A request: its first bytes, then its BEGIN_REQUEST, its params piece by piece, its end in PHP. */
void tsfpm_own_slot_request_arrives(uint64_t now_ns); /* CLOCK_MONOTONIC */
void tsfpm_own_slot_request_begins(void);
void tsfpm_own_slot_keep_params(const uint8_t *bytes, size_t count);
void tsfpm_own_slot_has_no_script(void); /* the script of the present request is not there */
/* `memory_peak` in bytes, HTTP `status`. Returns the duration in ns; `start_epoch_us` is CLOCK_REALTIME. */
uint64_t tsfpm_own_slot_request_ends(uint64_t memory_peak, uint32_t status, uint64_t *start_epoch_us);

/* The counters. A worker is idle while it waits for a client, and waiting between two requests of a kept connection. */
void tsfpm_count_ready(void); /* once, when it first waits for a client */
void tsfpm_count_idle(void);
/* No longer idle. Returns true where the master wants to be told of it: that so few are left. */
bool tsfpm_count_not_idle(bool has_client);
void tsfpm_count_waiting(void);
void tsfpm_count_not_waiting(bool has_request);
bool tsfpm_count_nobody_is_idle(void);
void tsfpm_count_gone(void); /* a client had left the listen queue */

#endif
