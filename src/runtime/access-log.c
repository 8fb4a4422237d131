/*
 * The worker's side of the access log: collects of each request what access.format needs, no more, and puts it into the
 * worker's ring (log-ring.h) when the request ends. The params are copied at its start, when PHP has all of them and
 * the script has changed none; status and headers at its end.
 */
#define _GNU_SOURCE
#include "access-log.h"

#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ask.h"
#include "control.h"
#include "libc.h"
#include "log-ring.h"
#include "php.h"
#include "page-request.h"
#include "scoreboard.h"
#include "sent-status.h"

#define FIELDS_MOST 64

static struct field {
    enum tsfpm_log_field_kind kind;
    uint16_t most; /* bytes that are kept */
    uint16_t name_length;
    char *name;
} fields[FIELDS_MOST];
static size_t field_count;
static bool wants_cpu;

static struct sapi_module *sapi;
static struct sapi_globals *globals;

static struct tsfpm_log_board *board;
static struct tsfpm_log_index *own_index; /* NULL outside a worker that logs */
static uint8_t *ring;
static uint64_t ring_size, slot_count;
/* Copies: any worker of the pool can write to the shared ones. The shared `tail`, which the master moves, is read. */
static uint64_t head, tail;

static union {
    struct tsfpm_log_record head;
    uint8_t bytes[TSFPM_LOG_RECORD_MAX];
} record; /* of the present request */
static size_t record_length; /* 0: no request is in hand */
static bool is_page;         /* the request is for a page of the master's: PHP does not see it */
static char page_head[512];  /* of its answer */
static size_t page_head_length;

static struct {
    uint16_t length; /* 0: not an IP address */
    uint8_t bytes[16];
} peer;

/* ---- set-up ---- */

bool tsfpm_access_log_add_field(const uint8_t *setting, size_t length)
{
    struct tsfpm_log_field head_of_it;
    if (length < sizeof head_of_it || field_count == FIELDS_MOST) return false;
    memcpy(&head_of_it, setting, sizeof head_of_it);
    if (head_of_it.kind == TSFPM_LOG_CPU) {
        wants_cpu = true;
        return true;
    }
    struct field *field = &fields[field_count];
    field->kind = (enum tsfpm_log_field_kind)head_of_it.kind;
    field->most = head_of_it.most;
    field->name_length = (uint16_t)(length - sizeof head_of_it);
    field->name = strndup((const char *)setting + sizeof head_of_it, field->name_length);
    if (field->name == NULL) return false;
    field_count++;
    return true;
}

void tsfpm_access_log_prepare(void)
{
    sapi = dlsym(RTLD_DEFAULT, "sapi_module");
    globals = dlsym(RTLD_DEFAULT, "sapi_globals");
}

void tsfpm_access_log_zygote_begins(void)
{
    ring_size = tsfpm_scoreboard_log_ring_size();
    slot_count = tsfpm_scoreboard_slot_count();
}

static struct tsfpm_log_board *board_of(void)
{
    if (ring_size == 0) return NULL;
    return (struct tsfpm_log_board *)((char *)tsfpm_scoreboard + TSFPM_HEADER_SIZE + slot_count * TSFPM_SLOT_SIZE);
}

static struct tsfpm_log_index *index_of(uint32_t slot)
{
    return (struct tsfpm_log_index *)(board_of() + 1) + slot;
}

void tsfpm_access_log_clear(uint32_t slot)
{
    if (board_of() == NULL) return;
    *index_of(slot) = (struct tsfpm_log_index){.tail_check = ~(uint64_t)0};
}

bool tsfpm_access_log_is_pending(void)
{
    const struct tsfpm_log_board *shared = board_of();
    return shared != NULL && __atomic_load_n(&shared->pending, __ATOMIC_SEQ_CST) != 0;
}

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

static struct {
    uint64_t user_us, system_us;
} cpu_at_start, children_cpu_at_last_end;

static void note_cpu_at_start(void)
{
    struct rusage self;
    getrusage(RUSAGE_SELF, &self);
    cpu_at_start.user_us = microseconds(self.ru_utime);
    cpu_at_start.system_us = microseconds(self.ru_stime);
}

/* Children count once they are waited for, which only requests do. */
static void note_cpu_at_end(void)
{
    struct rusage self, children;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    uint64_t user_us = microseconds(children.ru_utime), system_us = microseconds(children.ru_stime);
    record.head.cpu_user_us =
        microseconds(self.ru_utime) - cpu_at_start.user_us + user_us - children_cpu_at_last_end.user_us;
    record.head.cpu_system_us =
        microseconds(self.ru_stime) - cpu_at_start.system_us + system_us - children_cpu_at_last_end.system_us;
    children_cpu_at_last_end.user_us = user_us;
    children_cpu_at_last_end.system_us = system_us;
}

void tsfpm_access_log_begin(uint32_t slot)
{
    board = board_of();
    if (board == NULL) return;
    own_index = index_of(slot);
    ring = (uint8_t *)board + tsfpm_log_rings_offset((uint32_t)slot_count) + slot * ring_size;
    head = tail = 0;
}

/* ---- one request ---- */

static void add_text(const struct field *field, const char *text, size_t length)
{
    uint16_t kept = (uint16_t)(length < field->most ? length : field->most);
    if (text == NULL) kept = TSFPM_LOG_TEXT_ABSENT;
    if (record_length + sizeof kept > sizeof record.bytes - 8) return; /* the master takes what is missing for absent */
    size_t room = sizeof record.bytes - 8 - record_length - sizeof kept;
    if (text != NULL && kept > room) kept = (uint16_t)room;
    memcpy(record.bytes + record_length, &kept, sizeof kept);
    record_length += sizeof kept;
    if (text == NULL) return;
    memcpy(record.bytes + record_length, text, kept);
    record_length += kept;
}

static void add_string(const struct field *field, const char *text)
{
    /* strnlen: a value may be of megabytes, and little of it is kept. */
    add_text(field, text, text == NULL ? 0 : strnlen(text, field->most));
}

static const char *param(const char *name, size_t length)
{
    const char *value = sapi != NULL && sapi->getenv != NULL ? sapi->getenv(name, length) : NULL;
    /* php-cgi gives a variable of the worker's own environment for a param that is missing. */
    return value != NULL && value == getenv(name) ? NULL : value;
}

void tsfpm_access_log_client(const struct sockaddr_storage *client)
{
    if (own_index == NULL) return;
    peer.length = 0;
    if (client->ss_family == AF_INET) {
        peer.length = 4;
        memcpy(peer.bytes, &((const struct sockaddr_in *)client)->sin_addr, 4);
    } else if (client->ss_family == AF_INET6) {
        peer.length = 16;
        memcpy(peer.bytes, &((const struct sockaddr_in6 *)client)->sin6_addr, 16);
    }
}

static void start_record(void)
{
    record_length = sizeof record.head;
    is_page = false;
    page_head_length = 0;
    if (wants_cpu) note_cpu_at_start();
}

static void add_peer(const struct field *field)
{
    add_text(field, peer.length == 0 ? NULL : (const char *)peer.bytes, peer.length);
}

void tsfpm_access_log_request_starts(void)
{
    if (own_index == NULL) return;
    start_record();
    for (const struct field *field = fields; field < fields + field_count; field++) {
        switch (field->kind) {
        case TSFPM_LOG_PARAM: add_string(field, param(field->name, field->name_length)); break;
        case TSFPM_LOG_URI: add_string(field, globals != NULL ? globals->request_uri : NULL); break;
        case TSFPM_LOG_SCRIPT: add_string(field, globals != NULL ? globals->path_translated : NULL); break;
        case TSFPM_LOG_PEER: add_peer(field); break;
        case TSFPM_LOG_HEADER:
        case TSFPM_LOG_CPU: break;
        }
    }
}

/*
 * The value of a header in the first piece of the answer, which the master makes: lines of "Name: value", then an empty
 * one.
 */
static const char *page_header(const char *name, size_t *value_length)
{
    size_t name_length = strlen(name);
    for (const char *at = page_head, *end = page_head + page_head_length; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL || line_end - at <= 1) return NULL;
        size_t length = (size_t)(line_end - at) - (line_end[-1] == '\r');
        if (length > name_length + 2 && memcmp(at, name, name_length) == 0 && at[name_length] == ':') {
            *value_length = length - name_length - 2;
            return at + name_length + 2;
        }
        at = line_end + 1;
    }
    return NULL;
}

void tsfpm_access_log_page_starts(const uint8_t *records, size_t length)
{
    if (own_index == NULL) return;
    start_record();
    is_page = true;
    for (const struct field *field = fields; field < fields + field_count; field++) {
        const char *value = NULL, *name = field->name;
        size_t value_length = 0;
        if (field->kind == TSFPM_LOG_URI) name = "SCRIPT_NAME";
        if (field->kind == TSFPM_LOG_SCRIPT) name = "SCRIPT_FILENAME";
        if (field->kind == TSFPM_LOG_PEER) {
            add_peer(field);
        } else if (field->kind != TSFPM_LOG_HEADER) {
            value = tsfpm_page_param(records, length, name, &value_length);
            add_text(field, value, value_length);
        }
    }
}

void tsfpm_access_log_page_answer(const uint8_t *bytes, size_t length)
{
    if (own_index == NULL || page_head_length != 0) return;
    page_head_length = length < sizeof page_head ? length : sizeof page_head;
    memcpy(page_head, bytes, page_head_length);
}

/* main/SAPI.h keeps each header as "Name: value"; php-fpm takes the first of that very name. */
static void add_header(const struct field *field, const struct sapi_headers *headers)
{
    const char *value = NULL;
    size_t length = 0;
    for (const struct header_element *at = headers != NULL ? headers->first : NULL; at != NULL && value == NULL;
         at = at->next) {
        if (at->line == NULL || at->length <= (size_t)field->name_length + 2) continue;
        if (memcmp(at->line, field->name, field->name_length) != 0 || at->line[field->name_length] != ':') continue;
        value = at->line + field->name_length + 1;
        length = at->length - field->name_length - 1;
        for (; length > 0 && *value == ' '; length--) value++;
    }
    add_text(field, value, length);
}

/* Where this PHP is laid out as expected. */
static const struct sapi_headers *known_headers(void)
{
    if (globals == NULL || globals->headers.element_size != sizeof(char *) + sizeof(size_t)) return NULL;
    return &globals->headers;
}

/* ---- the ring ---- */

/* The master's tail, where it was read whole and is possible. */
static void read_tail(void)
{
    uint64_t seen = __atomic_load_n(&own_index->tail, __ATOMIC_ACQUIRE);
    if (seen == ~__atomic_load_n(&own_index->tail_check, __ATOMIC_ACQUIRE) && seen >= tail && seen <= head) tail = seen;
}

static void put(const void *bytes, size_t length)
{
    memcpy(ring + head % ring_size, bytes, length);
}

static bool put_record(uint32_t size)
{
    uint64_t filler = 0, left = ring_size - head % ring_size;
    read_tail();
    /*
     * The ring is empty: begin at its start again, whose pages are in use anyway. Not before half of the ring has been
     * used: what is skipped counts as taken until the master reads again, and a burst needs room until then.
     */
    if (size > left || (tail == head && left <= ring_size / 2)) filler = left;
    if (ring_size - (head - tail) < filler + size) return false;
    if (filler > 0) {
        /* Sizes are multiples of 8: the first two words of a record always fit. */
        const uint32_t words[2] = {(uint32_t)filler, TSFPM_LOG_STAMP ^ (uint32_t)head};
        const uint32_t is_filler = 1;
        put(words, sizeof words);
        if (filler >= 12) memcpy(ring + head % ring_size + 8, &is_filler, sizeof is_filler);
        head += filler;
    }
    record.head.size = size;
    record.head.stamp = TSFPM_LOG_STAMP ^ (uint32_t)head;
    put(record.bytes, size);
    head += size;
    __atomic_store_n(&own_index->head, head, __ATOMIC_RELEASE);
    return true;
}

static void wake_master(void)
{
    /* Between writing the record and reading the flag: the master clears the flag first, and then reads records. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&board->pending, __ATOMIC_RELAXED) == 0 &&
        __atomic_exchange_n(&board->pending, 1, __ATOMIC_SEQ_CST) == 0)
        tsfpm_ask_tell(TSFPM_QUESTION_LOGGED);
}

void tsfpm_access_log_request_ends(uint64_t start_epoch_us, uint64_t duration_ns, uint64_t memory_peak)
{
    if (own_index == NULL || record_length == 0) return;
    const struct sapi_headers *headers = is_page ? NULL : known_headers();
    for (const struct field *field = fields; field < fields + field_count; field++) {
        if (field->kind != TSFPM_LOG_HEADER) continue;
        size_t length = 0;
        if (!is_page) {
            add_header(field, headers);
        } else {
            const char *value = page_header(field->name, &length);
            add_text(field, value, length);
        }
    }
    uint32_t size = (uint32_t)(record_length + 7) / 8 * 8;
    memset(record.bytes + record_length, 0, size - record_length);
    record_length = 0;
    record.head.is_filler = 0;
    record.head.status = tsfpm_sent_status();
    record.head.start_epoch_us = start_epoch_us;
    record.head.duration_ns = duration_ns;
    record.head.memory_peak = memory_peak;
    if (wants_cpu) note_cpu_at_end();
    if (!put_record(size)) __atomic_store_n(&own_index->lost, own_index->lost + 1, __ATOMIC_RELEASE);
    wake_master();
}
