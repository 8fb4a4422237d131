/*
 * php-fpm's rules for finding the script that a request is for, where they differ from php-cgi's:
 *
 * - Apache's mod_proxy_fcgi and mod_proxy_balancer put "proxy:fcgi://HOST:PORT" before the path of the script, a query
 *   string behind it, and leave PATH_INFO to the one who finds the script.
 * - IIS repeats SCRIPT_NAME in PATH_INFO.
 * - Where PATH_INFO is shorter than what must be cut off SCRIPT_FILENAME to find a file, php-cgi before 8.2.36 reads
 *   and writes before the start of it (CVE-2026-129538); php-fpm leaves that PATH_INFO alone.
 */
#define _GNU_SOURCE
#include "script-path.h"

#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool starts_with(struct tsfpm_text text, struct tsfpm_text with)
{
    return text.length >= with.length && (with.length == 0 || memcmp(text.start, with.start, with.length) == 0);
}

static struct tsfpm_text skip(struct tsfpm_text text, size_t count)
{
    return (struct tsfpm_text){text.start + count, text.length - count};
}

static struct tsfpm_text cut(struct tsfpm_text text, size_t length)
{
    return (struct tsfpm_text){text.start, length};
}

static struct tsfpm_text before(struct tsfpm_text text, char end)
{
    const char *found = text.length > 0 ? memchr(text.start, end, text.length) : NULL;
    return found == NULL ? text : cut(text, (size_t)(found - text.start));
}

/* The path with a NUL at its end. Returns NULL for one that is longer than the kernel takes. */
static const char *as_path(struct tsfpm_text path, char copy[PATH_MAX])
{
    if (path.length >= PATH_MAX) return NULL;
    if (path.length > 0) memcpy(copy, path.start, path.length);
    copy[path.length] = '\0';
    return copy;
}

static bool is_file(struct tsfpm_text path)
{
    char copy[PATH_MAX];
    struct stat found;
    const char *name = as_path(path, copy);
    return name != NULL && stat(name, &found) == 0 && S_ISREG(found.st_mode);
}

static bool is_there(struct tsfpm_text path, const struct tsfpm_script_rules *rules)
{
    char copy[PATH_MAX];
    const char *name = as_path(path, copy);
    return name != NULL && rules->exists(name);
}

/* Cuts parts off the end until a regular file is left. Returns its length, or 0. */
static size_t find_file(struct tsfpm_text path)
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

static void fix_iis(struct tsfpm_head_params *params)
{
    static const struct tsfpm_text iis = TSFPM_TEXT("Microsoft-IIS");
    struct tsfpm_text name = tsfpm_get_param(params, SCRIPT_NAME), info = tsfpm_get_param(params, PATH_INFO);
    struct tsfpm_text software = tsfpm_get_param(params, SERVER_SOFTWARE);
    if (software.start == NULL || name.start == NULL || info.start == NULL) return;
    if (!starts_with(software, iis) || !starts_with(info, name)) return;
    tsfpm_set_param(params, ORIG_PATH_INFO, info);
    tsfpm_set_param(params, PATH_INFO, info.length > name.length ? skip(info, name.length) : (struct tsfpm_text){0});
}

/* Returns true where Apache named a path. One without any path loses its query alone, as under php-fpm. */
static bool fix_proxy_name(struct tsfpm_head_params *params)
{
    static const struct tsfpm_text prefixes[] = {TSFPM_TEXT("proxy:fcgi://"), TSFPM_TEXT("proxy:balancer://")};
    struct tsfpm_text path = tsfpm_get_param(params, SCRIPT_FILENAME);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (path.length < prefixes[i].length ||
            strncasecmp(path.start, prefixes[i].start, prefixes[i].length) != 0)
            continue;
        struct tsfpm_text host = before(skip(path, prefixes[i].length), '/');
        bool has_path = prefixes[i].length + host.length < path.length;
        if (has_path) path = skip(path, prefixes[i].length + host.length);
        tsfpm_set_param(params, SCRIPT_FILENAME, before(path, '?'));
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
static char decoded(struct tsfpm_text text, size_t *at)
{
    char c = text.start[(*at)++];
    if (c != '%' || text.length - *at < 2) return c;
    int high = hexadecimal(text.start[*at]), low = hexadecimal(text.start[*at + 1]);
    if (high < 0 || low < 0) return c;
    *at += 2;
    return (char)(high << 4 | low);
}

/* How much of `name` is left before an ending that is `info`, percent-decoded or not; all of it without that ending. */
static size_t front_of(struct tsfpm_text name, struct tsfpm_text info)
{
    if (name.length > info.length && tsfpm_text_equals(skip(name, name.length - info.length), info))
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
static void take_path_info(struct tsfpm_head_params *params, struct tsfpm_text info)
{
    struct tsfpm_text sent = tsfpm_get_param(params, PATH_INFO), name = tsfpm_get_param(params, SCRIPT_NAME);
    if (sent.start != NULL && tsfpm_text_equals(sent, info)) return;
    if (sent.start != NULL) {
        tsfpm_set_param(params, ORIG_PATH_INFO, sent);
        if (name.start == NULL || !tsfpm_text_equals(name, sent)) {
            if (name.start != NULL) tsfpm_set_param(params, ORIG_SCRIPT_NAME, name);
            tsfpm_set_param(params, SCRIPT_NAME, sent);
        }
    } else if (name.start != NULL) {
        size_t front = front_of(name, info);
        if (front < name.length) {
            tsfpm_set_param(params, ORIG_SCRIPT_NAME, name);
            tsfpm_set_param(params, SCRIPT_NAME, cut(name, front));
        }
    }
    tsfpm_set_param(params, PATH_INFO, info);
}

static void set_path_translated(struct tsfpm_head_params *params, struct tsfpm_text file,
                                struct tsfpm_text script_name, const char *doc_root)
{
    struct tsfpm_text root = tsfpm_get_param(params, DOCUMENT_ROOT), info = tsfpm_get_param(params, PATH_INFO);
    struct tsfpm_text sent = tsfpm_get_param(params, PATH_TRANSLATED);
    if (root.start == NULL && doc_root[0] != '\0') root = (struct tsfpm_text){doc_root, strlen(doc_root)};
    if (root.start != NULL) {
        if (root.length > 0 && root.start[root.length - 1] == '/') root.length--;
    } else {
        bool contains = script_name.start != NULL && script_name.length <= file.length &&
                        (script_name.length == 0 ||
                         memmem(file.start, file.length, script_name.start, script_name.length) != NULL);
        if (!contains) return;
        root = cut(file, file.length - script_name.length);
    }
    if (sent.start != NULL) tsfpm_set_param(params, ORIG_PATH_TRANSLATED, sent);
    tsfpm_set_param_joined(params, PATH_TRANSLATED, root, info);
}

/* php-fpm's search for the script. It differs from php-cgi's where Apache sent the head, or PATH_INFO is too short. */
static void fix_path(struct tsfpm_head_params *params, bool is_apache, const struct tsfpm_script_rules *rules)
{
    struct tsfpm_text sent = tsfpm_get_param(params, SCRIPT_FILENAME);
    struct tsfpm_text translated = tsfpm_get_param(params, PATH_TRANSLATED);
    struct tsfpm_text redirect = tsfpm_get_param(params, REDIRECT_URL), info = tsfpm_get_param(params, PATH_INFO);
    struct tsfpm_text name = tsfpm_get_param(params, SCRIPT_NAME), script_name = name;
    struct tsfpm_text path = sent.start != NULL ? sent : translated;
    /* Here php-cgi does what php-fpm does. */
    if (!is_apache && info.start == NULL) return;
    if (!is_apache && translated.start != NULL && redirect.start != NULL && !tsfpm_text_equals(path, translated)) {
        path = translated;
        script_name = redirect;
    }
    bool is_kept = path.length == 0 || (path.start[path.length - 1] != '/' && is_there(path, rules));
    size_t length = is_kept ? 0 : find_file(path);
    if (!is_apache && (length == 0 || info.length >= path.length - length)) return;
    if (!is_apache && sent.start != NULL && tsfpm_text_equals(sent, cut(path, length))) {
        /* php-fpm and php-cgi both go on with the longer path, where no script is: harmless without PATH_INFO. */
        tsfpm_set_param(params, PATH_INFO, (struct tsfpm_text){0});
        return;
    }
    if (length > 0) {
        struct tsfpm_text file = cut(path, length);
        if (is_apache) {
            take_path_info(params, skip(path, length));
            script_name = tsfpm_get_param(params, SCRIPT_NAME);
            /* What PATH_INFO has become is SCRIPT_NAME for scripts, but not for this. */
            if (info.start != NULL) script_name = name;
        } else if (name.start == NULL ? script_name.start != NULL : !tsfpm_text_equals(name, script_name)) {
            if (name.start != NULL) tsfpm_set_param(params, ORIG_SCRIPT_NAME, name);
            tsfpm_set_param(params, SCRIPT_NAME, script_name);
        }
        if (sent.start == NULL || !tsfpm_text_equals(sent, file)) {
            if (sent.start != NULL) tsfpm_set_param(params, ORIG_SCRIPT_FILENAME, sent);
            tsfpm_set_param(params, SCRIPT_FILENAME, file);
        }
        set_path_translated(params, file, script_name, rules->doc_root());
    }
    /* php-cgi would look at PATH_TRANSLATED instead of the script that was found, and take PATH_INFO away. */
    if (redirect.start != NULL) {
        tsfpm_set_param(params, HIDDEN_REDIRECT_URL, redirect);
        tsfpm_set_param(params, REDIRECT_URL, (struct tsfpm_text){0});
    }
}

bool tsfpm_finds_script(const char *path, size_t length, const struct tsfpm_script_rules *rules)
{
    struct tsfpm_head_params params = {0};
    params.sent[SCRIPT_FILENAME] = (struct tsfpm_text){path, length};
    fix_proxy_name(&params);
    struct tsfpm_text file = tsfpm_get_param(&params, SCRIPT_FILENAME);
    if (file.length == 0 || !rules->fixes_path_info()) return file.length > 0;
    return (file.start[file.length - 1] != '/' && is_there(file, rules)) || find_file(file) > 0;
}

void tsfpm_fix_script_path(struct tsfpm_head_params *params, const struct tsfpm_script_rules *rules)
{
    /* php-cgi looks for no script where it has neither. */
    if (params->sent[SCRIPT_FILENAME].start == NULL && params->sent[PATH_TRANSLATED].start == NULL) return;
    fix_iis(params);
    bool is_apache = fix_proxy_name(params);
    if ((is_apache || tsfpm_get_param(params, PATH_INFO).start != NULL) && rules->fixes_path_info())
        fix_path(params, is_apache, rules);
}
