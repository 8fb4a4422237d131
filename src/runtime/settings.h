/* The settings of a pool, as the master sends them to the zygote. */
#ifndef TSFPM_SETTINGS_H
#define TSFPM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "identity.h"

/* What each new worker needs. All else a CONFIGURE frame says goes to the files that act on it. */
struct tsfpm_settings {
    struct tsfpm_identity identity;
    const char *worker_title; /* NULL: it keeps the zygote's */
    bool catches_output;      /* what workers print goes to the log */
};

/*
 * Reads the payload of a CONFIGURE frame. `settings->identity.files` is the zygote's limit, which a setting may lower;
 * all else is zero. Ends the process where the payload is malformed. The strings stay.
 */
void tsfpm_settings_take(struct tsfpm_settings *settings, const uint8_t *payload, size_t length);

#endif
