/*
 * The worker's view of a client's stream, against a naive reading of the same bytes: streams of good records, of damaged
 * ones and of noise, in pieces of any size, while "another worker" scribbles over the slot.
 *
 * The slot is a heap block of its own, so that the address sanitizer sees a write one byte beside it.
 */
#define _GNU_SOURCE
#include "../../src/runtime/own-slot.c"

#include <stdlib.h>

#include "../../src/runtime/client.h"
#include "../../src/runtime/page-request.h"
#include "../../src/runtime/request-phase.h"
#include "../../src/runtime/stream.h"
#include "fuzz.h"

/* What the linked files need of others. None of it is called but what a request's start calls. */
struct tsfpm_scoreboard_header *tsfpm_scoreboard;
struct tsfpm_slot *tsfpm_scoreboard_slot(uint32_t index)
{
    (void)index;
    abort();
}
volatile sig_atomic_t tsfpm_response_has_begun;
bool tsfpm_signals_are_changed;
void tsfpm_signals_restore(void)
{
    abort();
}
void tsfpm_php_start_begins(void)
{
}
void tsfpm_messages_request_starts(void)
{
}
void tsfpm_request_body_starts(void)
{
}
void tsfpm_count_request(void)
{
    abort();
}
void tsfpm_output_request_ends(void)
{
    abort();
}
void tsfpm_sent_status_request_begins(void)
{
}
uint32_t tsfpm_sent_status(void)
{
    abort();
}
void tsfpm_access_log_request_ends(uint64_t start, uint64_t duration, uint64_t memory)
{
    (void)start, (void)duration, (void)memory;
    abort();
}

static uint8_t bytes[40000];
static size_t length;

static void add_record(void)
{
    size_t room = sizeof bytes - length;
    if (room < 8 + 255) return;
    static const uint8_t types[] = {1, 4, 4, 4, 5, 5, 2, 9};
    uint8_t type = fuzz_below(8) == 0 ? (uint8_t)fuzz_next() : types[fuzz_below(sizeof types)];
    size_t content = type == 1 ? 8 : fuzz_below(3) == 0 ? 0 : fuzz_size(9000);
    uint8_t padding = fuzz_below(3) == 0 ? (uint8_t)fuzz_next() : 0;
    if (content > room - 8 - 255) content = room - 8 - 255;
    const uint8_t header[8] = {1, type, 0, 1, (uint8_t)(content >> 8), (uint8_t)content, padding, 0};
    memcpy(bytes + length, header, 8);
    fuzz_fill(bytes + length + 8, content + padding);
    length += 8 + content + padding;
}

static void make_stream(void)
{
    length = 0;
    for (size_t records = fuzz_below(20); records > 0; records--) add_record();
    if (fuzz_below(4) == 0) {
        size_t noise = fuzz_size(sizeof bytes - length);
        fuzz_fill(bytes + length, noise);
        length += noise;
    }
    for (size_t changes = fuzz_below(3) == 0 ? fuzz_below(10) : 0; changes > 0 && length > 0; changes--)
        bytes[fuzz_below(length)] ^= (uint8_t)(1u << fuzz_below(8));
    if (fuzz_below(3) == 0) length = fuzz_below(length + 1);
}

/* What the first `count` bytes say, by reading all of them anew. */
struct naive {
    bool stdin_ended, in_record;
    uint64_t begun;
    uint8_t params[sizeof bytes];
    size_t params_length;
};

static void read_naively(size_t count, struct naive *naive)
{
    *naive = (struct naive){0};
    for (size_t at = 0; at < count;) {
        if (count - at < 8) {
            naive->in_record = true;
            return;
        }
        const uint8_t *header = bytes + at;
        size_t content = (size_t)header[4] * 256 + header[5];
        size_t end = at + 8 + content + header[6];
        if (header[1] == 1) {
            naive->stdin_ended = false;
            naive->begun++;
            naive->params_length = 0;
        }
        if ((header[1] == 5 && content == 0) || header[1] == 2) naive->stdin_ended = true;
        if (header[1] == 4) {
            size_t here = count - at - 8 < content ? count - at - 8 : content;
            memcpy(naive->params + naive->params_length, header + 8, here);
            naive->params_length += here;
        }
        if (end > count) {
            naive->in_record = true;
            return;
        }
        at = end;
    }
}

static void compare(size_t count, bool is_scribbled)
{
    static struct naive naive;
    read_naively(count, &naive);
    if (tsfpm_stream.is_complete != naive.stdin_ended) fuzz_fail("after %zu bytes: is_complete is wrong", count);
    if (tsfpm_stream_is_between_records() == naive.in_record)
        fuzz_fail("after %zu bytes: whether a record is under way is wrong", count);
    if (params_length != naive.params_length)
        fuzz_fail("after %zu bytes: %u bytes of params, not %zu", count, params_length, naive.params_length);
    if (is_scribbled) return;
    size_t kept = naive.params_length < TSFPM_PARAMS_SIZE ? naive.params_length : TSFPM_PARAMS_SIZE;
    if (slot->accepted != naive.begun) fuzz_fail("after %zu bytes: requests are counted wrongly", count);
    if (slot->params_length != kept || slot->params_total != naive.params_length)
        fuzz_fail("after %zu bytes: the slot's lengths are wrong", count);
    if (memcmp(slot->params, naive.params, kept) != 0) fuzz_fail("after %zu bytes: the slot's params differ", count);
    if (slot->sequence % 2 != 0) fuzz_fail("after %zu bytes: the slot is left odd", count);
}

static void try_page(void)
{
    /* A copy of the exact size: the parser may not read beside it. */
    uint8_t *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    struct tsfpm_page_request request;
    if (tsfpm_page_match(copy, length, &request) == TSFPM_PAGE_YES) {
        if (request.length > length) fuzz_fail("a page took %zu of %zu bytes", request.length, length);
        const uint8_t *query = (const uint8_t *)request.query;
        if (query != NULL && (query < copy || query + request.query_length > copy + length))
            fuzz_fail("a page's query lies outside of the bytes");
    }
    free(copy);
}

/* A usual request, whose damage is likelier to get far into the parser than noise is. */
static void make_page_request(void)
{
    static const char params[] = "\013\007SCRIPT_NAME/status\016\003REQUEST_METHODGET\017\001SCRIPT_FILENAMEx\014\004QUERY_STRINGjson";
    length = 0;
    const uint8_t begin[16] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0};
    const uint8_t header[8] = {1, 4, 0, 1, 0, sizeof params - 1};
    const uint8_t end[8] = {1, 4, 0, 1};
    memcpy(bytes, begin, 16);
    memcpy(bytes + 16, header, 8);
    memcpy(bytes + 24, params, sizeof params - 1);
    memcpy(bytes + 24 + sizeof params - 1, end, 8);
    length = 32 + sizeof params - 1;
    for (size_t changes = fuzz_below(6); changes > 0; changes--) bytes[fuzz_below(length)] ^= (uint8_t)(1u << fuzz_below(8));
    if (fuzz_below(3) == 0) length = fuzz_below(length + 1);
}

static void fuzz_round(void)
{
    make_page_request();
    try_page();
    make_stream();
    try_page();
    free(slot);
    slot = calloc(1, sizeof *slot);
    tsfpm_stream_begin();
    tsfpm_request_phase = TSFPM_PHASE_CONNECTED;
    params_length = params_kept = 0;
    bool is_scribbled = fuzz_below(3) == 0;
    size_t compare_every = 1 + fuzz_below(8);
    for (size_t at = 0, piece = 0; at < length; piece++) {
        size_t step = 1 + fuzz_size(length - at);
        if (step > length - at) step = length - at;
        if (is_scribbled) fuzz_fill((uint8_t *)slot + fuzz_below(sizeof *slot - 200), 200);
        if (is_scribbled) slot->params_length = (uint32_t)fuzz_next();
        tsfpm_stream_follow(bytes + at, step);
        at += step;
        if (piece % compare_every == 0 || at == length) compare(at, is_scribbled);
    }
}

int main(int argc, char **argv)
{
    tsfpm_pages_configure("/status", "/ping");
    return fuzz_main(argc, argv, fuzz_round);
}
