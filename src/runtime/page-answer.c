#include "page-answer.h"

#include "access-log.h"
#include "ask.h"
#include "client.h"
#include "fastcgi.h"
#include "kept-connection.h"
#include "own-slot.h"
#include "request.h"
#include "script-rules.h"
#include "sent-status.h"
#include "stream.h"

/* A piece of the master's answer becomes a STDOUT record. */
static bool pass_on(void *context, const uint8_t *bytes, size_t length)
{
    const struct tsfpm_page_request *request = context;
    uint8_t header[FCGI_HEADER_LEN];
    static const uint8_t padding[TSFPM_PADDING_MOST];
    if (length == 0) return true;
    tsfpm_sent_status_page_answer(bytes, length);
    tsfpm_access_log_page_answer(bytes, length);
    tsfpm_make_padded_record(header, FCGI_STDOUT, request->id, (uint16_t)length);
    struct iovec pieces[] = {tsfpm_piece(header, sizeof header), tsfpm_piece(bytes, length),
                             tsfpm_piece(padding, tsfpm_padding_of(length))};
    return tsfpm_client_write(pieces, 3);
}

void tsfpm_answer_page(const uint8_t *bytes, const struct tsfpm_page_request *request)
{
    static const char unavailable[] = "Status: 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\n"
                                      "Internal error. Please review log file for errors.";
    void *context = (void *)(uintptr_t)request;
    tsfpm_access_log_page_starts(bytes, request->length);
    /* Only the page tells of it, which names a script that is there, as php-fpm's does. */
    bool has_script = tsfpm_finds_script(request->script, request->script_length, tsfpm_script_rules());
    tsfpm_stream_follow(bytes, request->length);
    tsfpm_request_starts();
    if (!has_script) tsfpm_own_slot_has_no_script();
    if (!tsfpm_ask(request->kind, request->is_head, request->query, request->query_length, pass_on, context))
        pass_on(context, (const uint8_t *)unavailable, sizeof unavailable - 1);
    uint8_t end[TSFPM_END_REQUEST_LEN];
    tsfpm_make_end_request(end, request->id);
    tsfpm_request_ends(0);
    struct iovec piece = tsfpm_piece(end, sizeof end);
    tsfpm_client_write(&piece, 1);
    tsfpm_request_is_answered(TSFPM_PHASE_PAGE_ANSWERED);
    if (!request->keeps_connection || tsfpm_is_time_to_part()) tsfpm_client_let_go();
}
