#define _GNU_SOURCE
#include "answer.h"

#include <errno.h>

#include "client.h"
#include "fastcgi.h"
#include "kept-connection.h"
#include "libc.h"
#include "messages.h"
#include "own-slot.h"
#include "request.h"
#include "script-child.h"
#include "stream.h"

/*
 * In one call with the messages that wait: between records, since PHP runs no script while it writes one in pieces.
 * Those are written to the last byte, and then the piece is, too.
 *
 * An empty piece is flush() with nothing to send: it may find that the client has gone, but is no piece of the answer.
 */
static ssize_t write_piece(const void *buffer, size_t size)
{
    struct iovec pieces[] = {size > 0 ? tsfpm_messages_take() : tsfpm_piece(NULL, 0), tsfpm_piece(buffer, size)};
    if (pieces[0].iov_len == 0) return tsfpm_libc()->write(tsfpm_connection, buffer, size);
    return tsfpm_client_write(pieces, 2) ? (ssize_t)size : -1;
}

/*
 * php-cgi writes END_REQUEST as the last record of an answer, after PHP's request shutdown and after reading what it
 * wants of the body. If it leaves a part of a record unread, older versions would take that for the next record.
 *
 * A signal may cut a write that waits for the client. php-cgi goes on with the rest at once: while an end is under way,
 * whatever it writes belongs to it, and what is taken whole is the last piece.
 */
ssize_t tsfpm_answer_write(const void *buffer, size_t size)
{
    if (size > 0) tsfpm_response_has_begun = 1;
    bool is_end = tsfpm_phase_is(TSFPM_PHASE_BIT(ENDING)) ||
                  (tsfpm_phase_is(TSFPM_PHASES_SHUT_DOWN) && tsfpm_ends_with_end_request(buffer, size));
    if (is_end) tsfpm_script_children_lose_client();
    bool goes_nowhere = tsfpm_phase_is(TSFPM_PHASES_ANSWERED_EARLY);
    ssize_t written = goes_nowhere ? (ssize_t)size : write_piece(buffer, size);
    if (written < 0 && errno != EINTR && tsfpm_client_may_be_gone) written = (ssize_t)size;
    if (!is_end || written <= 0) return written;
    if (written < (ssize_t)size) {
        tsfpm_enter_phase(TSFPM_PHASE_ENDING);
        return written;
    }
    tsfpm_request_is_answered(TSFPM_PHASE_ANSWERED);
    if (!tsfpm_stream_is_between_records() || tsfpm_is_time_to_part()) tsfpm_client_let_go();
    return written;
}

void tsfpm_answer_early(void)
{
    if (!tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING))) return;
    tsfpm_script_children_lose_client();
    tsfpm_response_has_begun = 1;
    uint8_t end[TSFPM_END_REQUEST_LEN];
    tsfpm_make_end_request(end, tsfpm_request_id);
    struct iovec pieces[] = {tsfpm_messages_take(), tsfpm_piece(end, sizeof end)};
    tsfpm_client_write(pieces, 2);
    tsfpm_enter_phase(TSFPM_PHASE_RUNNING_ANSWERED);
    /* The client is to see the end, whatever this request goes on with; what it still sends is received. */
    if (!tsfpm_stream_keeps_connection()) tsfpm_libc()->shutdown(tsfpm_connection, SHUT_WR);
    tsfpm_own_slot_stage(TSFPM_STAGE_FINISHED);
}

bool tsfpm_may_answer_early(void)
{
    /* php-fpm's later calls are true for as long as the connection is open. */
    if (tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING_ANSWERED))) return tsfpm_stream_keeps_connection();
    return tsfpm_phase_is(TSFPM_PHASE_BIT(RUNNING));
}
