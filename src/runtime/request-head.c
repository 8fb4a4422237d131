/*
 * Which script a request is for: where php-fpm's rules differ from php-cgi's, the params are rewritten to what php-fpm
 * would have made of them, before php-cgi reads them.
 *
 * - Apache's mod_proxy_fcgi and mod_proxy_balancer put "proxy:fcgi://HOST:PORT" before the path of the script, a query
 *   string behind it, and leave PATH_INFO to the one who finds the script.
 * - IIS repeats SCRIPT_NAME in PATH_INFO.
 * - Where PATH_INFO is shorter than what must be cut off SCRIPT_FILENAME to find a file, php-cgi before 8.2.36 reads and
 *   writes before the start of it (CVE-2026-129538); php-fpm leaves that PATH_INFO alone.
 *
 * And of the limits that a client may ask for, php-fpm tells one and php-cgi three.
 *
 * Everything else stays as it was sent, byte by byte. Values are C texts to PHP: what follows a NUL is not there.
 */
#define _GNU_SOURCE
#include "request-head.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "fastcgi.h"
#include "file-status.h"

#define RECORD_MOST 65535u /* php-cgi takes no more in one record, its padding included */

/* A param's value, or a piece of one; `start` NULL where there is none. Never ends in a NUL. */
struct text {
    const char *start;
    size_t length;
};

enum param {
    SCRIPT_FILENAME,
    SCRIPT_NAME,
    PATH_INFO,
    PATH_TRANSLATED,
    DOCUMENT_ROOT,
    REDIRECT_URL,
    SERVER_SOFTWARE,
    ORIG_SCRIPT_FILENAME,
    ORIG_SCRIPT_NAME,
    ORIG_PATH_INFO,
    ORIG_PATH_TRANSLATED,
    HIDDEN_REDIRECT_URL,
    MAX_CONNS,
    MAX_REQS,
    PARAM_COUNT,
};

#define NAMED(name) {name, sizeof name - 1}
static const struct text names[PARAM_COUNT] = {
    [SCRIPT_FILENAME] = NAMED("SCRIPT_FILENAME"),
    [SCRIPT_NAME] = NAMED("SCRIPT_NAME"),
    [PATH_INFO] = NAMED("PATH_INFO"),
    [PATH_TRANSLATED] = NAMED("PATH_TRANSLATED"),
    [DOCUMENT_ROOT] = NAMED("DOCUMENT_ROOT"),
    [REDIRECT_URL] = NAMED("REDIRECT_URL"),
    [SERVER_SOFTWARE] = NAMED("SERVER_SOFTWARE"),
    [ORIG_SCRIPT_FILENAME] = NAMED("ORIG_SCRIPT_FILENAME"),
    [ORIG_SCRIPT_NAME] = NAMED("ORIG_SCRIPT_NAME"),
    [ORIG_PATH_INFO] = NAMED("ORIG_PATH_INFO"),
    [ORIG_PATH_TRANSLATED] = NAMED("ORIG_PATH_TRANSLATED"),
    [HIDDEN_REDIRECT_URL] = NAMED(TSFPM_HIDDEN_REDIRECT_URL),
    [MAX_CONNS] = NAMED("FCGI_MAX_CONNS"),
    [MAX_REQS] = NAMED("FCGI_MAX_REQS"),
};

/* What becomes of the params: a value in two pieces, or none; `changed` says of which. */
struct outcome {
    struct text sent[PARAM_COUNT];
    struct {
        struct text front, back;
    } value[PARAM_COUNT];
    uint32_t changed;
};

/* ---- texts ---- */

static bool equal(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.start, b.start, a.length) == 0);
}

static bool starts_with(struct text text, struct text with)
{
    return text.length >= with.length && (with.length == 0 || memcmp(text.start, with.start, with.length) == 0);
}

static struct text skip(struct text text, size_t count)
{
    return (struct text){text.start + count, text.length - count};
}

static struct text cut(struct text text, size_t length)
{
    return (struct text){text.start, length};
}

static struct text before(struct text text, char end)
{
    const char *found = text.length > 0 ? memchr(text.start, end, text.length) : NULL;
    return found == NULL ? text : cut(text, (size_t)(found - text.start));
}

/* ---- reading ---- */

/* As php-cgi reads a length: it refuses one of four bytes that ends the record. */
static bool read_length(const uint8_t **at, const uint8_t *end, size_t *length)
{
    if (*at >= end) return false;
    const uint8_t *b = *at;
    *length = b[0];
    *at += 1;
    if (b[0] < 0x80) return true;
    if (end - b < 5) return false;
    *length = (size_t)(b[0] & 0x7f) << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
    *at += 3;
    return true;
}

/* The next pair of a record. Returns false at its end, and where php-cgi refuses the record: then `end` is not reached. */
static bool read_pair(const uint8_t **at, const uint8_t *end, struct text *name, struct text *value)
{
    const uint8_t *here = *at;
    size_t name_length, value_length;
    if (!read_length(&here, end, &name_length) || !read_length(&here, end, &value_length)) return false;
    if (name_length > (size_t)(end - here) || value_length > (size_t)(end - here) - name_length) return false;
    *name = (struct text){(const char *)here, name_length};
    *value = (struct text){(const char *)here + name_length, value_length};
    *at = here + name_length + value_length;
    return true;
}

static enum param which(struct text name)
{
    if (name.length < sizeof "PATH_INFO" - 1 || name.length > sizeof "ORIG_SCRIPT_FILENAME" - 1) return PARAM_COUNT;
    for (enum param param = 0; param < PARAM_COUNT; param++)
        if (equal(name, names[param])) return param;
    return PARAM_COUNT;
}

/* Whether a record is there in full; `is_wrong` tells of one that php-cgi refuses. */
static bool has_record(const uint8_t *bytes, size_t length, bool *is_wrong)
{
    if (length < FCGI_HEADER_LEN) return false;
    *is_wrong = tsfpm_record_version(bytes) < FCGI_VERSION_1 || tsfpm_record_size(bytes) > FCGI_HEADER_LEN + RECORD_MOST;
    return !*is_wrong && length >= tsfpm_record_size(bytes);
}

/*
 * Where the params end: for php-cgi with an empty record, or any of another type. Returns false where they do not, or
 * `is_wrong`; `end` is then that of the last whole record.
 */
static bool find_end(const uint8_t *bytes, size_t length, size_t *end, bool *is_wrong)
{
    for (*end = tsfpm_record_size(bytes); *end < length; *end += tsfpm_record_size(bytes + *end)) {
        const uint8_t *header = bytes + *end;
        bool is_whole = has_record(header, length - *end, is_wrong);
        if (*is_wrong || length - *end < FCGI_HEADER_LEN) return false;
        if (tsfpm_record_type(header) != FCGI_PARAMS || tsfpm_record_content(header) == 0) return true;
        if (!is_whole) return false;
    }
    return false;
}

static bool may_be_first(const uint8_t *header)
{
    uint8_t type = tsfpm_record_type(header);
    return type == FCGI_GET_VALUES ||
           (type == FCGI_BEGIN_REQUEST && tsfpm_record_content(header) == FCGI_BEGIN_REQUEST_BODY_LEN);
}

static bool has_role(const uint8_t *begin)
{
    const uint8_t *role = begin + FCGI_HEADER_LEN;
    return role[0] == 0 && role[1] >= FCGI_RESPONDER && role[1] <= FCGI_FILTER;
}

/* Collects the params between BEGIN_REQUEST and `end`. Returns false where php-cgi will refuse them. */
static bool read_params(const uint8_t *bytes, size_t end, struct outcome *outcome)
{
    for (size_t at = tsfpm_record_size(bytes); at < end; at += tsfpm_record_size(bytes + at)) {
        const uint8_t *here = bytes + at + FCGI_HEADER_LEN, *last = here + tsfpm_record_content(bytes + at);
        struct text name, value;
        while (read_pair(&here, last, &name, &value)) {
            enum param param = which(name);
            /* The last one of a name counts. */
            if (param != PARAM_COUNT) outcome->sent[param] = before(value, '\0');
        }
        if (here != last) return false;
    }
    return true;
}

/* ---- deciding ---- */

static void set2(struct outcome *outcome, enum param param, struct text front, struct text back)
{
    outcome->value[param].front = front;
    outcome->value[param].back = back;
    outcome->changed |= 1u << param;
}

static void set(struct outcome *outcome, enum param param, struct text value)
{
    set2(outcome, param, value, (struct text){0});
}

/* As it is now: `{NULL}` where it has no value. Not for one that was set in two pieces. */
static struct text get(const struct outcome *outcome, enum param param)
{
    return outcome->changed & 1u << param ? outcome->value[param].front : outcome->sent[param];
}

/* With an end. Returns NULL for one that is longer than the kernel takes any path. */
static const char *as_path(struct text path, char copy[PATH_MAX])
{
    if (path.length >= PATH_MAX) return NULL;
    if (path.length > 0) memcpy(copy, path.start, path.length);
    copy[path.length] = '\0';
    return copy;
}

static bool is_file(struct text path)
{
    char copy[PATH_MAX];
    struct stat found;
    const char *name = as_path(path, copy);
    return name != NULL && tsfpm_path_status(name, &found) == 0 && S_ISREG(found.st_mode);
}

static bool is_there(struct text path, const struct tsfpm_head_rules *rules)
{
    char copy[PATH_MAX];
    const char *name = as_path(path, copy);
    return name != NULL && rules->exists(name);
}

/* Cuts parts off the end until a regular file is left. Returns its length, or 0. */
static size_t find_file(struct text path)
{
    while (path.length > 0) {
        const char *slash = memrchr(path.start, '/', path.length);
        if (slash == NULL) slash = memrchr(path.start, '\\', path.length);
        if (slash == NULL) return 0;
        path.length = (size_t)(slash - path.start);
        if (is_file(path)) return path.length;
    }
    return 0;
}

static void fix_iis(struct outcome *outcome)
{
    static const struct text iis = NAMED("Microsoft-IIS");
    struct text name = get(outcome, SCRIPT_NAME), info = get(outcome, PATH_INFO);
    struct text software = get(outcome, SERVER_SOFTWARE);
    if (software.start == NULL || name.start == NULL || info.start == NULL) return;
    if (!starts_with(software, iis) || !starts_with(info, name)) return;
    set(outcome, ORIG_PATH_INFO, info);
    set(outcome, PATH_INFO, info.length > name.length ? skip(info, name.length) : (struct text){0});
}

/* Returns true where Apache named a path. One without any path loses its query alone, as under php-fpm. */
static bool fix_proxy_name(struct outcome *outcome)
{
    static const struct text prefixes[] = {NAMED("proxy:fcgi://"), NAMED("proxy:balancer://")};
    struct text path = get(outcome, SCRIPT_FILENAME);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (path.length < prefixes[i].length ||
            strncasecmp(path.start, prefixes[i].start, prefixes[i].length) != 0)
            continue;
        struct text host = before(skip(path, prefixes[i].length), '/');
        bool has_path = prefixes[i].length + host.length < path.length;
        if (has_path) path = skip(path, prefixes[i].length + host.length);
        set(outcome, SCRIPT_FILENAME, before(path, '?'));
        return has_path;
    }
    return false;
}

static int hexadecimal(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte at `*at` of an encoded text, which moves on. */
static char decoded(struct text text, size_t *at)
{
    char c = text.start[(*at)++];
    if (c != '%' || text.length - *at < 2) return c;
    int high = hexadecimal(text.start[*at]), low = hexadecimal(text.start[*at + 1]);
    if (high < 0 || low < 0) return c;
    *at += 2;
    return (char)(high << 4 | low);
}

/* How much of `name` is left before an ending that is `info`, as it is or percent-decoded; all of it where it is not. */
static size_t front_of(struct text name, struct text info)
{
    if (name.length > info.length && equal(skip(name, name.length - info.length), info))
        return name.length - info.length;
    size_t length = 0;
    for (size_t at = 0; at < info.length; length++) decoded(info, &at);
    if (length == info.length || name.length <= length) return name.length;
    size_t front = name.length - length, at = 0;
    for (size_t i = front; i < name.length; i++)
        if (name.start[i] != decoded(info, &at)) return name.length;
    return front;
}

/* Behind Apache PATH_INFO is what stands behind the script in its path. */
static void take_path_info(struct outcome *outcome, struct text info)
{
    struct text sent = get(outcome, PATH_INFO), name = get(outcome, SCRIPT_NAME);
    if (sent.start != NULL && equal(sent, info)) return;
    if (sent.start != NULL) {
        set(outcome, ORIG_PATH_INFO, sent);
        if (name.start == NULL || !equal(name, sent)) {
            if (name.start != NULL) set(outcome, ORIG_SCRIPT_NAME, name);
            set(outcome, SCRIPT_NAME, sent);
        }
    } else if (name.start != NULL) {
        size_t front = front_of(name, info);
        if (front < name.length) {
            set(outcome, ORIG_SCRIPT_NAME, name);
            set(outcome, SCRIPT_NAME, cut(name, front));
        }
    }
    set(outcome, PATH_INFO, info);
}

static void set_path_translated(struct outcome *outcome, struct text file, struct text script_name, const char *doc_root)
{
    struct text root = get(outcome, DOCUMENT_ROOT), info = get(outcome, PATH_INFO);
    struct text sent = get(outcome, PATH_TRANSLATED);
    if (root.start == NULL && doc_root[0] != '\0') root = (struct text){doc_root, strlen(doc_root)};
    if (root.start != NULL) {
        if (root.length > 0 && root.start[root.length - 1] == '/') root.length--;
    } else {
        bool contains = script_name.start != NULL && script_name.length <= file.length &&
                        (script_name.length == 0 ||
                         memmem(file.start, file.length, script_name.start, script_name.length) != NULL);
        if (!contains) return;
        root = cut(file, file.length - script_name.length);
    }
    if (sent.start != NULL) set(outcome, ORIG_PATH_TRANSLATED, sent);
    set2(outcome, PATH_TRANSLATED, root, info);
}

/* php-fpm's search for the script: as php-cgi's, but where the head comes from Apache or PATH_INFO is too short. */
static void fix_path(struct outcome *outcome, bool is_apache, const struct tsfpm_head_rules *rules)
{
    struct text sent = get(outcome, SCRIPT_FILENAME), translated = get(outcome, PATH_TRANSLATED);
    struct text redirect = get(outcome, REDIRECT_URL), info = get(outcome, PATH_INFO);
    struct text name = get(outcome, SCRIPT_NAME), script_name = name;
    struct text path = sent.start != NULL ? sent : translated;
    /* Where php-cgi does as php-fpm, also with the same PATH_INFO before it. */
    if (!is_apache && info.start == NULL) return;
    if (!is_apache && translated.start != NULL && redirect.start != NULL && !equal(path, translated)) {
        path = translated;
        script_name = redirect;
    }
    bool is_kept = path.length == 0 || (path.start[path.length - 1] != '/' && is_there(path, rules));
    size_t length = is_kept ? 0 : find_file(path);
    if (!is_apache && (length == 0 || info.length >= path.length - length)) return;
    if (!is_apache && sent.start != NULL && equal(sent, cut(path, length))) {
        /* An oddity of both: they go on with the longer path, which is no script. No PATH_INFO, no harm. */
        set(outcome, PATH_INFO, (struct text){0});
        return;
    }
    if (length > 0) {
        struct text file = cut(path, length);
        if (is_apache) {
            take_path_info(outcome, skip(path, length));
            script_name = get(outcome, SCRIPT_NAME);
            /* What PATH_INFO has become is SCRIPT_NAME for scripts, but not for this. */
            if (info.start != NULL) script_name = name;
        } else if (name.start == NULL ? script_name.start != NULL : !equal(name, script_name)) {
            if (name.start != NULL) set(outcome, ORIG_SCRIPT_NAME, name);
            set(outcome, SCRIPT_NAME, script_name);
        }
        if (sent.start == NULL || !equal(sent, file)) {
            if (sent.start != NULL) set(outcome, ORIG_SCRIPT_FILENAME, sent);
            set(outcome, SCRIPT_FILENAME, file);
        }
        set_path_translated(outcome, file, script_name, rules->doc_root());
    }
    /* php-cgi would look at PATH_TRANSLATED instead of the script that was found, and take PATH_INFO away. */
    if (redirect.start != NULL) {
        set(outcome, HIDDEN_REDIRECT_URL, redirect);
        set(outcome, REDIRECT_URL, (struct text){0});
    }
}

bool tsfpm_head_finds_script(const char *path, size_t length, const struct tsfpm_head_rules *rules)
{
    struct outcome outcome = {0};
    outcome.sent[SCRIPT_FILENAME] = (struct text){path, length};
    fix_proxy_name(&outcome);
    struct text file = get(&outcome, SCRIPT_FILENAME);
    if (file.length == 0 || !rules->fixes_path_info()) return file.length > 0;
    return (file.start[file.length - 1] != '/' && is_there(file, rules)) || find_file(file) > 0;
}

/* ---- writing ---- */

struct output {
    uint8_t *bytes;
    size_t size, used;
    bool is_full;
};

static void put(struct output *output, const void *bytes, size_t length)
{
    if (output->is_full || length > output->size - output->used) {
        output->is_full = true;
        return;
    }
    if (length > 0) memcpy(output->bytes + output->used, bytes, length);
    output->used += length;
}

static void put_length(struct output *output, size_t length)
{
    const uint8_t bytes[4] = {(uint8_t)(length >> 24 | 0x80), (uint8_t)(length >> 16), (uint8_t)(length >> 8),
                              (uint8_t)length};
    if (length < 0x80) put(output, bytes + 3, 1);
    else put(output, bytes, 4);
}

static void put_header(struct output *output, const uint8_t *like, uint8_t type, size_t content)
{
    uint8_t header[FCGI_HEADER_LEN];
    tsfpm_make_record(header, type, tsfpm_record_id(like), (uint16_t)content);
    if (content > RECORD_MOST) output->is_full = true;
    put(output, header, sizeof header);
}

static void put_new_param(struct output *output, const uint8_t *like, struct text name, struct text front, struct text back)
{
    size_t value = front.length + back.length;
    size_t lengths = (name.length < 0x80 ? 1 : 4) + (value < 0x80 ? 1 : 4);
    put_header(output, like, FCGI_PARAMS, lengths + name.length + value);
    put_length(output, name.length);
    put_length(output, value);
    put(output, name.start, name.length);
    put(output, front.start, front.length);
    put(output, back.start, back.length);
}

/* A record without some of its params. */
static void put_without(struct output *output, const uint8_t *header, uint32_t params)
{
    const uint8_t *at = header + FCGI_HEADER_LEN, *end = at + tsfpm_record_content(header);
    size_t start = output->used;
    struct text name, value;
    put_header(output, header, tsfpm_record_type(header), 0);
    for (const uint8_t *pair = at; read_pair(&at, end, &name, &value); pair = at) {
        enum param param = which(name);
        if (param == PARAM_COUNT || !(params & 1u << param)) put(output, pair, (size_t)(at - pair));
    }
    put(output, at, (size_t)(end - at)); /* what php-cgi refuses stays as it is */
    if (output->is_full) return;
    size_t content = output->used - start - FCGI_HEADER_LEN;
    tsfpm_set_record_content(output->bytes + start, (uint16_t)content);
    if (content == 0 && tsfpm_record_type(header) == FCGI_PARAMS) output->used = start; /* it would end the params */
}

static void write_head(struct output *output, const uint8_t *bytes, size_t length, const struct outcome *outcome)
{
    put(output, bytes, tsfpm_record_size(bytes));
    for (size_t at = tsfpm_record_size(bytes); at < length; at += tsfpm_record_size(bytes + at))
        put_without(output, bytes + at, outcome->changed);
    for (enum param param = 0; param < PARAM_COUNT; param++)
        if (outcome->changed & 1u << param && outcome->value[param].front.start != NULL)
            put_new_param(output, bytes, names[param], outcome->value[param].front, outcome->value[param].back);
}

static void decide(struct outcome *outcome, const struct tsfpm_head_rules *rules)
{
    /* Nobody looks for a script then. */
    if (outcome->sent[SCRIPT_FILENAME].start == NULL && outcome->sent[PATH_TRANSLATED].start == NULL) return;
    fix_iis(outcome);
    bool is_apache = fix_proxy_name(outcome);
    if ((is_apache || get(outcome, PATH_INFO).start != NULL) && rules->fixes_path_info())
        fix_path(outcome, is_apache, rules);
}

enum tsfpm_head_verdict tsfpm_head_look(const uint8_t *bytes, size_t length, const struct tsfpm_head_rules *rules,
                                        uint8_t *room, size_t room_size, size_t *taken, size_t *made)
{
    struct output output = {.bytes = room, .size = room_size};
    bool is_wrong = false;
    bool is_whole = has_record(bytes, length, &is_wrong);
    /* php-cgi refuses what is wrong as soon as it sees it: nothing more is waited for. */
    if (length >= FCGI_HEADER_LEN && (is_wrong || !may_be_first(bytes))) return TSFPM_HEAD_AS_IT_IS;
    if (!is_whole) return TSFPM_HEAD_INCOMPLETE;
    if (tsfpm_record_type(bytes) == FCGI_GET_VALUES) {
        *taken = tsfpm_record_size(bytes);
        put_without(&output, bytes, 1u << MAX_CONNS | 1u << MAX_REQS);
    } else {
        struct outcome outcome;
        memset(&outcome, 0, sizeof outcome);
        if (!has_role(bytes)) return TSFPM_HEAD_AS_IT_IS;
        bool has_end = find_end(bytes, length, taken, &is_wrong);
        if (is_wrong || !read_params(bytes, *taken, &outcome)) return TSFPM_HEAD_AS_IT_IS;
        if (!has_end) return TSFPM_HEAD_INCOMPLETE;
        decide(&outcome, rules);
        if (outcome.changed == 0) return TSFPM_HEAD_AS_IT_IS;
        write_head(&output, bytes, *taken, &outcome);
    }
    *made = output.used;
    return output.is_full ? TSFPM_HEAD_REFUSED : TSFPM_HEAD_REWRITTEN;
}
