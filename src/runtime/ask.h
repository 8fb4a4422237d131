/* The worker's side of its channel: what it tells and asks the master through its zygote. */
#ifndef TSFPM_ASK_H
#define TSFPM_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control.h"

void tsfpm_ask_begin(int channel_fd);
void tsfpm_ask_end(void); /* the channel is closed, and every question fails. Async-signal-safe */

/* TSFPM_QUESTION_TAKEN or _STARTED, which ask nothing. Never waits. */
void tsfpm_ask_tell(enum tsfpm_question_kind what);

/* Called for each piece of an answer, in order; false stops listening. */
typedef bool (*tsfpm_ask_receiver)(void *context, const uint8_t *bytes, size_t length);

/* Asks and waits. Returns false where no whole answer came in time; pieces may have been received before. */
bool tsfpm_ask(enum tsfpm_question_kind kind, bool is_head, const char *text, size_t length,
               tsfpm_ask_receiver receiver, void *context);

/* Asks for the descriptor to the keeper (keeper-link.h). Returns -1 with errno: ENOENT where there is none. */
int tsfpm_ask_keeper(void);

#endif
