/*
 * The rewriting of a request's head: params that matter with values that php-fpm's rules know, damaged heads and noise, a
 * file system of made-up paths. What comes out must be whole records that hold whole pairs, with everything that was not
 * to change, and php-cgi, whose search for the script is repeated here, must never reach before the start of PATH_INFO.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/stat.h>

static int fuzz_stat(const char *path, struct stat *found);
#define stat(path, found) fuzz_stat(path, found)
#include "../../src/runtime/script-path.c"
#include "../../src/runtime/request-head.c"
#undef stat

#include "fuzz.h"

static uint64_t disk; /* of this round: decides what exists */

static uint64_t hash_of(const char *path)
{
    uint64_t hash = disk;
    for (; *path != '\0'; path++) hash = (hash ^ (uint8_t)*path) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static int fuzz_stat(const char *path, struct stat *found)
{
    memset(found, 0, sizeof *found);
    uint64_t hash = hash_of(path) % 4;
    /* No file system has anything without a name, nor a file whose path ends in a slash. */
    if (path[0] == '\0') return -1;
    found->st_mode = hash == 0 && path[strlen(path) - 1] != '/' ? S_IFREG : S_IFDIR;
    return hash < 2 ? 0 : -1;
}

static bool fixes_path_info(void)
{
    return disk % 8 != 0;
}

static const char *doc_root(void)
{
    return disk % 3 == 0 ? "/root/" : "";
}

static bool exists(const char *path)
{
    struct stat found;
    return fuzz_stat(path, &found) == 0;
}

static const struct tsfpm_script_rules rules = {fixes_path_info, doc_root, exists};

static uint8_t bytes[300000];
static size_t length;

static void add(const void *what, size_t size)
{
    if (size > sizeof bytes - length) size = sizeof bytes - length;
    memcpy(bytes + length, what, size);
    length += size;
}

static size_t make_value(char *value, size_t room)
{
    static const char *const pieces[] = {"/", "//", "/a", "/v.php", "proxy:fcgi://h:9", "PROXY:BALANCER://b", "?q=1",
                                         "%2f", "%00", "%", "/..", "\\", "Microsoft-IIS/7", "x", "/srv/www", ""};
    size_t size = 0;
    for (size_t count = fuzz_below(7); count > 0; count--) {
        const char *piece = pieces[fuzz_below(sizeof pieces / sizeof *pieces)];
        if (size + strlen(piece) > room) break;
        memcpy(value + size, piece, strlen(piece));
        size += strlen(piece);
    }
    if (fuzz_below(40) == 0) {
        size_t more = fuzz_size(room - size);
        memset(value + size, fuzz_below(2) ? '/' : 'y', more);
        size += more;
    }
    if (size > 0 && fuzz_below(20) == 0) value[fuzz_below(size)] = '\0';
    return size;
}

static void add_params_record(void)
{
    static char content[65535];
    static char value[30000];
    size_t used = 0;
    for (size_t count = fuzz_below(12); count > 0; count--) {
        struct tsfpm_text name = names[fuzz_below(PARAM_COUNT)];
        if (fuzz_below(4) == 0) name = (struct tsfpm_text){"HTTP_OTHER_HEADER", 17};
        size_t size = make_value(value, sizeof value);
        uint8_t lengths[8] = {(uint8_t)name.length};
        size_t at = 1;
        if (size < 0x80 && fuzz_below(4) != 0) lengths[at++] = (uint8_t)size;
        else {
            lengths[at++] = (uint8_t)(size >> 24 | 0x80);
            lengths[at++] = (uint8_t)(size >> 16);
            lengths[at++] = (uint8_t)(size >> 8);
            lengths[at++] = (uint8_t)size;
        }
        if (used + at + name.length + size > sizeof content) break;
        memcpy(content + used, lengths, at);
        memcpy(content + used + at, name.start, name.length);
        memcpy(content + used + at + name.length, value, size);
        used += at + name.length + size;
    }
    uint8_t padding = fuzz_below(3) == 0 && used < 65000 ? (uint8_t)fuzz_next() : 0;
    const uint8_t header[8] = {1, 4, 0, 7, (uint8_t)(used >> 8), (uint8_t)used, padding, 0};
    static const uint8_t nothing[255];
    if (used == 0) return;
    add(header, 8);
    add(content, used);
    add(nothing, padding);
}

static void make_head(void)
{
    const uint8_t begin[16] = {1, 1, 0, 7, 0, 8, 0, 0, 0, 1, 1};
    const uint8_t end[8] = {1, fuzz_below(10) == 0 ? 5 : 4, 0, 7};
    length = 0;
    add(begin, 16);
    if (fuzz_below(20) == 0) bytes[1] = 9;
    for (size_t records = 1 + fuzz_below(3); records > 0; records--) add_params_record();
    add(end, 8);
    if (fuzz_below(4) == 0)
        for (size_t changes = fuzz_below(8); changes > 0; changes--) bytes[fuzz_below(length)] ^= (uint8_t)(1u << fuzz_below(8));
    if (fuzz_below(8) == 0) length = fuzz_below(length + 1);
}

/* The value of a param as php-cgi finds it: of the last one of that name. Returns false where there is none. */
static bool value_of(const uint8_t *head, size_t size, const char *wanted, char *value, size_t room)
{
    bool is_there = false;
    for (size_t at = 16 + head[6]; at < size;) {
        size_t content = (size_t)head[at + 4] * 256 + head[at + 5], end = at + 8 + content;
        if (end + head[at + 6] > size) fuzz_fail("a record of %zu bytes goes beyond the head", content);
        if (head[at + 1] != 4 || content == 0) fuzz_fail("a record of type %u with %zu bytes", head[at + 1], content);
        for (size_t p = at + 8; p < end;) {
            size_t lengths[2];
            for (int i = 0; i < 2; i++) {
                if (p >= end) fuzz_fail("a pair is cut");
                lengths[i] = head[p++];
                if (lengths[i] < 0x80) continue;
                if (end - p < 3) fuzz_fail("a length is cut");
                lengths[i] = (lengths[i] & 0x7f) << 24 | (size_t)head[p] << 16 | (size_t)head[p + 1] << 8 | head[p + 2];
                p += 3;
            }
            if (lengths[0] + lengths[1] > end - p) fuzz_fail("a pair is longer than its record");
            if (lengths[0] == strlen(wanted) && memcmp(head + p, wanted, lengths[0]) == 0) {
                if (lengths[1] >= room) fuzz_fail("a value of %zu bytes", lengths[1]);
                memcpy(value, head + p + lengths[0], lengths[1]);
                value[lengths[1]] = '\0';
                is_there = true;
            }
            p += lengths[0] + lengths[1];
        }
        at = end + head[at + 6];
    }
    return is_there;
}

/* php-cgi's search for the script, of versions that do not look how long PATH_INFO is. */
static void search_as_php_cgi(const uint8_t *head, size_t size)
{
    static char script[70000], translated[70000], redirect[70000], info[70000];
    bool has_script = value_of(head, size, "SCRIPT_FILENAME", script, sizeof script);
    bool has_translated = value_of(head, size, "PATH_TRANSLATED", translated, sizeof translated);
    bool has_redirect = value_of(head, size, "REDIRECT_URL", redirect, sizeof redirect);
    bool has_info = value_of(head, size, "PATH_INFO", info, sizeof info);
    char *path = has_script ? script : translated;
    if (!fixes_path_info() || (!has_script && !has_translated) || !has_info) return;
    if (has_translated && has_redirect && strcmp(translated, path) != 0) path = translated;
    size_t whole = strlen(path);
    if (whole == 0 || (path[whole - 1] != '/' && whole < PATH_MAX && exists(path))) return;
    for (;;) {
        char *slash = strrchr(path, '/');
        if (slash == NULL) slash = strrchr(path, '\\');
        if (slash == NULL) return;
        *slash = '\0';
        struct stat found;
        if (strlen(path) < PATH_MAX && fuzz_stat(path, &found) == 0 && S_ISREG(found.st_mode)) break;
    }
    if (strlen(info) < whole - strlen(path))
        fuzz_fail("PATH_INFO '%s' is shorter than what is cut off to '%s'", info, path);
}

static void fuzz_round(void)
{
    static uint8_t room[TSFPM_HEAD_MOST + TSFPM_HEAD_ADDED];
    disk = fuzz_next();
    make_head();
    /* A copy of the exact size: nothing may be read beside it. */
    uint8_t *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    size_t room_size = fuzz_below(10) == 0 ? fuzz_below(2000) : sizeof room, taken = 0, made = 0;
    enum tsfpm_head_verdict verdict = tsfpm_head_look(copy, length, &rules, room, room_size, &taken, &made);
    if (memcmp(copy, bytes, length) != 0) fuzz_fail("the head as it was sent has changed");
    if (verdict == TSFPM_HEAD_REWRITTEN) {
        if (taken > length || made > room_size) fuzz_fail("%zu of %zu bytes taken, %zu made", taken, length, made);
        if (copy[1] == 1) search_as_php_cgi(room, made);
        char before_it[70000], after[70000];
        bool was = copy[1] == 1 && value_of(copy, taken, "HTTP_OTHER_HEADER", before_it, sizeof before_it);
        bool is = copy[1] == 1 && value_of(room, made, "HTTP_OTHER_HEADER", after, sizeof after);
        if (was != is || (was && strcmp(before_it, after) != 0)) fuzz_fail("an unrelated param has changed");
    } else if (verdict == TSFPM_HEAD_AS_IT_IS && length >= 16 && copy[1] == 1) {
        bool is_wrong = false;
        struct tsfpm_head_params params = {0};
        size_t end = 0;
        bool is_read = has_record(copy, length, &is_wrong) && find_end(copy, length, &end, &is_wrong);
        if (is_read && may_be_first(copy) && has_role(copy) && read_params(copy, end, &params)) search_as_php_cgi(copy, end);
    } else if (verdict == TSFPM_HEAD_REFUSED && room_size == sizeof room && length < 30000) {
        fuzz_fail("a head of %zu bytes is refused", length);
    }
    free(copy);
}

int main(int argc, char **argv)
{
    return fuzz_main(argc, argv, fuzz_round);
}
