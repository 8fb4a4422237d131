/*
 * A pool's chroot holds scripts, and seldom the files that PHP and libc read when they first need them: time zones, the
 * resolver's configuration, character sets. The zygote makes them read those before, and its workers inherit them with
 * its memory. No descriptor stays open.
 */
#define _GNU_SOURCE
#include "jail.h"

#include <dlfcn.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc.h"
#include "php.h"

/* ---- time zones ---- */

/* ext/date/lib/timelib.h */
struct zone {
    const char *name;
    unsigned int position; /* of its data */
};
struct zone_database {
    const char *version;
    int count;
    const struct zone *zones; /* in the order of their names */
    const uint8_t *data;
};

/* PHP takes a database that is newer than its own; one that it reads from the system has version "0.system". */
#define DATABASE_VERSION "0.system.1"

static uint32_t number_at(const uint8_t *bytes, size_t index)
{
    uint32_t number;
    memcpy(&number, bytes + index * sizeof number, sizeof number);
    return number;
}

/* An extension that brings a database of its own, which is used then. */
static bool has_timezonedb(void)
{
    void *registry = dlsym(RTLD_DEFAULT, "module_registry");
    struct zval *(*find)(const void *, const char *, size_t);
    *(void **)&find = dlsym(RTLD_DEFAULT, "zend_hash_str_find");
    return registry != NULL && find != NULL && find(registry, "timezonedb", sizeof "timezonedb" - 1) != NULL;
}

/*
 * php_date_set_tzdb is there for extensions that bring a database. PHP keeps one that is built in, by comparing
 * versions. Where a PHP lacks the function, its jails need the files of the time zones.
 */
void tsfpm_jail_take_time_zones(const uint8_t *database, size_t length)
{
    static struct zone_database zones = {.version = DATABASE_VERSION};
    void (*set_database)(struct zone_database *);
    *(void **)&set_database = dlsym(RTLD_DEFAULT, "php_date_set_tzdb");
    if (set_database == NULL || has_timezonedb()) return;
    if (length < sizeof(uint32_t)) tsfpm_die("the time zones from the master are cut off");
    uint32_t count = number_at(database, 0);
    if (count > INT_MAX || count > (length - sizeof count) / (2 * sizeof count))
        tsfpm_die("the time zones from the master are cut off");
    uint8_t *data = malloc(length);
    struct zone *row = calloc((size_t)count + 1, sizeof *row);
    if (data == NULL || row == NULL) tsfpm_die("no memory for the time zones");
    memcpy(data, database, length);
    for (size_t i = 0; i < count; i++) {
        uint32_t name = number_at(database, 1 + 2 * i), position = number_at(database, 2 + 2 * i);
        if (name >= length || position >= length || memchr(data + name, 0, length - name) == NULL)
            tsfpm_die("the time zones from the master are cut off");
        row[i] = (struct zone){(const char *)data + name, position};
    }
    zones.count = (int)count;
    zones.zones = row;
    zones.data = data;
    set_database(&zones);
}

/* ---- names of hosts, and of character sets ---- */

static bool has_file(const char *root, const char *name)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s%s", root, name) < (int)sizeof path && access(path, F_OK) == 0;
}

/*
 * Which databases are asked (nsswitch.conf) and which servers (resolv.conf): the system's, unless the jail has files of
 * its own. libc reads the first once, and keeps it in a jail; of the second it has to be told that it must not look
 * again.
 */
static void prepare_resolver(const char *root)
{
    if (res_init() != 0) return;
    if (!has_file(root, "/etc/nsswitch.conf")) {
        /* Loads the libraries that nsswitch.conf names. It is in /etc/hosts; a system without that waits a second. */
        struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
        int retrans = _res.retrans, retry = _res.retry;
        _res.retrans = _res.retry = 1;
        if (getaddrinfo("localhost", NULL, &hints, &found) == 0) freeaddrinfo(found);
        _res.retrans = retrans;
        _res.retry = retry;
    }
    if (!has_file(root, "/etc/resolv.conf")) _res.options |= RES_NORELOAD;
}

/*
 * libc loads a library for each character set; what is open here stays loaded. Others fail in a jail, as under php-fpm.
 */
static void prepare_character_sets(void)
{
    static const char *const names[] = {"ISO-8859-1", "ISO-8859-15", "WINDOWS-1252"};
    void *(*open_conversion)(const char *, const char *);
    *(void **)&open_conversion = dlsym(RTLD_DEFAULT, "iconv_open");
    if (open_conversion == NULL) return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        open_conversion("UTF-8", names[i]);
        open_conversion(names[i], "UTF-8");
    }
}

/* ---- opcache's file cache ---- */

/*
 * Its files are named by PHP's build, then by the script's path. Where two roots see one cache folder, a script would
 * run that was compiled from the file of the other root; measured, where both have the same time. So a jail's build has
 * a name of its own, as long as the original and no other's. PHP uses it for nothing else once it has started. PHP 7.4
 * does not export it.
 */
static void name_build_by_root(const char *root)
{
    static const char digits[] = "0123456789abcdef";
    char *build = dlsym(RTLD_DEFAULT, "zend_system_id");
    struct stat status = {0};
    if (build == NULL || stat(root, &status) != 0) return;
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    const uint64_t inode = status.st_ino;
    for (size_t i = 0; i < 16; i++) hash = (hash ^ (uint8_t)build[i]) * 0x100000001b3u;
    for (size_t i = 0; root[i] != '\0'; i++) hash = (hash ^ (uint8_t)root[i]) * 0x100000001b3u;
    for (size_t i = 0; i < sizeof inode; i++) hash = (hash ^ (uint8_t)(inode >> 8 * i)) * 0x100000001b3u;
    for (size_t i = 0; i < 16; i++) build[i] = digits[hash >> 4 * i & 15];
}

void tsfpm_jail_prepare(const char *root)
{
    name_build_by_root(root);
    prepare_resolver(root);
    prepare_character_sets();
}
