/* What a finished request leaves for the access log. Every function does nothing in a pool without one. */
#ifndef TSFPM_ACCESS_LOG_H
#define TSFPM_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Zygote: one TSFPM_SETTING_LOG_FIELD; false where it is malformed. */
bool tsfpm_access_log_add_field(const uint8_t *setting, size_t length);
void tsfpm_access_log_clear(uint32_t slot);  /* before a fork: an empty ring for the next worker */
bool tsfpm_access_log_is_pending(void);      /* a worker says that its ring holds something */
void tsfpm_access_log_prepare(void);         /* once PHP is there */
void tsfpm_access_log_zygote_begins(void);   /* once there is a scoreboard, before the first worker */

/* Worker. */
void tsfpm_access_log_begin(uint32_t slot);
void tsfpm_access_log_client(const struct sockaddr_storage *client); /* accepted */
void tsfpm_access_log_request_starts(void);                          /* as PHP knows it */
/* One that PHP does not see, by its FastCGI records up to the end of PARAMS; then each piece of its answer. */
void tsfpm_access_log_page_starts(const uint8_t *records, size_t length);
void tsfpm_access_log_page_answer(const uint8_t *bytes, size_t length);
void tsfpm_access_log_request_ends(uint64_t start_epoch_us, uint64_t duration_ns, uint64_t memory_peak);

#endif
