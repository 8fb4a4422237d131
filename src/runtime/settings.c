#define _GNU_SOURCE
#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access-log.h"
#include "allowed-clients.h"
#include "control.h"
#include "environment.h"
#include "gone-client.h"
#include "ini-values.h"
#include "jail.h"
#include "leave.h"
#include "libc.h"
#include "locked-values.h"
#include "main-script.h"
#include "messages.h"
#include "page-request.h"
#include "title.h"

/* What is used up once all settings are read. */
struct given {
    const char *zygote_title, *status_path, *ping_path, *limit_extensions, *allowed_clients;
    int64_t soft_files; /* -1: as the zygote found it */
};

static const char unknown[] = "?"; /* a pool's or user's name that was not sent */

/* Takes the next setting from `*at`. Returns false at the end. */
static bool next_setting(const uint8_t **at, const uint8_t *end, struct tsfpm_setting *setting, const uint8_t **bytes)
{
    if (*at == end) return false;
    if ((size_t)(end - *at) < sizeof *setting) tsfpm_die("the settings from the master are cut off");
    memcpy(setting, *at, sizeof *setting);
    *bytes = *at + sizeof *setting;
    if (setting->length > (size_t)(end - *bytes)) tsfpm_die("the settings from the master are cut off");
    *at = *bytes + setting->length;
    return true;
}

static char *copy_text(const uint8_t *bytes, size_t length)
{
    char *text = strndup((const char *)bytes, length);
    if (text == NULL) tsfpm_die("no memory for the pool's settings");
    return text;
}

static int64_t read_integer(const uint8_t *bytes, size_t length)
{
    int64_t wide;
    int32_t narrow;
    if (length == sizeof wide) {
        memcpy(&wide, bytes, sizeof wide);
        return wide;
    }
    if (length != sizeof narrow) tsfpm_die("a setting from the master has a wrong size");
    memcpy(&narrow, bytes, sizeof narrow);
    return narrow;
}

static void read_groups(struct tsfpm_identity *identity, const uint8_t *bytes, size_t length)
{
    identity->group_count = length / sizeof(uint32_t);
    identity->groups = calloc(identity->group_count + 1, sizeof *identity->groups);
    if (identity->groups == NULL) tsfpm_die("no memory for the pool's settings");
    for (size_t i = 0; i < identity->group_count; i++) {
        uint32_t gid;
        memcpy(&gid, bytes + i * sizeof gid, sizeof gid);
        identity->groups[i] = gid;
    }
}

/* The environment and the locked values come as repeated settings: both lists are built in one pass each. */
static void read_lists(const uint8_t *payload, const uint8_t *end)
{
    size_t variables = 0, values = 0;
    struct tsfpm_setting setting;
    const uint8_t *bytes;
    for (const uint8_t *at = payload; next_setting(&at, end, &setting, &bytes);) {
        variables += setting.key == TSFPM_SETTING_ENV;
        values += setting.key == TSFPM_SETTING_ADMIN_VALUE;
    }
    char **environment = calloc(variables + 1, sizeof *environment);
    char **names = calloc(values + 1, sizeof *names);
    char **texts = calloc(values + 1, sizeof *texts);
    if (environment == NULL || names == NULL || texts == NULL) tsfpm_die("no memory for the pool's settings");
    variables = values = 0;
    for (const uint8_t *at = payload; next_setting(&at, end, &setting, &bytes);) {
        if (setting.key == TSFPM_SETTING_ENV) environment[variables++] = copy_text(bytes, setting.length);
        if (setting.key == TSFPM_SETTING_ADMIN_VALUE) {
            size_t name_length = strnlen((const char *)bytes, setting.length);
            if (name_length == setting.length) tsfpm_die("a php_admin_value from the master has no value");
            names[values] = copy_text(bytes, name_length);
            texts[values++] = copy_text(bytes + name_length + 1, setting.length - name_length - 1);
        }
    }
    environ = environment;
    tsfpm_locked_values_take(names, texts, values);
    free(names); /* the strings stay, locked-values.c points at the texts */
    free(texts);
}

static void set_value(const uint8_t *bytes, size_t length)
{
    size_t name_length = strnlen((const char *)bytes, length);
    if (name_length == length) tsfpm_die("a php_value from the master has no value");
    char *name = copy_text(bytes, name_length), *value = copy_text(bytes + name_length + 1, length - name_length - 1);
    tsfpm_ini_values_set(name, value);
    free(name);
    free(value);
}

static void limit_requests(const uint8_t *bytes, size_t length)
{
    char *most = copy_text(bytes, length);
    tsfpm_limit_requests(most);
    free(most);
}

static void take_one(struct tsfpm_settings *settings, struct given *given, enum tsfpm_setting_key key,
                     const uint8_t *bytes, size_t length)
{
    struct tsfpm_identity *identity = &settings->identity;
    switch (key) {
    case TSFPM_SETTING_POOL: identity->pool = copy_text(bytes, length); break;
    case TSFPM_SETTING_USER: identity->user = copy_text(bytes, length); break;
    case TSFPM_SETTING_UID:
        identity->uid = (uid_t)read_integer(bytes, length);
        identity->has_uid = true;
        break;
    case TSFPM_SETTING_GID:
        identity->gid = (gid_t)read_integer(bytes, length);
        identity->has_gid = true;
        break;
    case TSFPM_SETTING_GROUPS: read_groups(identity, bytes, length); break;
    case TSFPM_SETTING_RLIMIT_FILES: identity->rlimit_files = read_integer(bytes, length); break;
    case TSFPM_SETTING_RLIMIT_CORE: identity->rlimit_core = read_integer(bytes, length); break;
    case TSFPM_SETTING_PRIORITY:
        identity->priority = (int32_t)read_integer(bytes, length);
        identity->has_priority = true;
        break;
    case TSFPM_SETTING_DUMPABLE: identity->dumpable = read_integer(bytes, length) != 0; break;
    case TSFPM_SETTING_CHROOT: identity->chroot = copy_text(bytes, length); break;
    case TSFPM_SETTING_CHDIR: identity->chdir = copy_text(bytes, length); break;
    case TSFPM_SETTING_APPARMOR_HAT: identity->apparmor_hat = copy_text(bytes, length); break;
    case TSFPM_SETTING_SOFT_FILES: given->soft_files = read_integer(bytes, length); break;
    case TSFPM_SETTING_ZYGOTE_TITLE: given->zygote_title = copy_text(bytes, length); break;
    case TSFPM_SETTING_WORKER_TITLE: settings->worker_title = copy_text(bytes, length); break;
    case TSFPM_SETTING_STATUS_PATH: given->status_path = copy_text(bytes, length); break;
    case TSFPM_SETTING_PING_PATH: given->ping_path = copy_text(bytes, length); break;
    case TSFPM_SETTING_LIMIT_EXTENSIONS: given->limit_extensions = copy_text(bytes, length); break;
    case TSFPM_SETTING_ALLOWED_CLIENTS: given->allowed_clients = copy_text(bytes, length); break;
    case TSFPM_SETTING_CATCH_OUTPUT: settings->catches_output = read_integer(bytes, length) != 0; break;
    case TSFPM_SETTING_DROP_GONE:
        if (read_integer(bytes, length) != 0) tsfpm_gone_clients_drop();
        break;
    case TSFPM_SETTING_LOG_FIELD:
        if (!tsfpm_access_log_add_field(bytes, length)) tsfpm_die("the access log needs too many fields");
        break;
    case TSFPM_SETTING_LOG_LEVEL: tsfpm_messages_configure((enum tsfpm_level)read_integer(bytes, length)); break;
    case TSFPM_SETTING_TIME_ZONES: tsfpm_jail_take_time_zones(bytes, length); break;
    case TSFPM_SETTING_VALUE: set_value(bytes, length); break;
    case TSFPM_SETTING_MAX_REQUESTS: limit_requests(bytes, length); break;
    case TSFPM_SETTING_ENV:
    case TSFPM_SETTING_ADMIN_VALUE: break; /* read_lists */
    default: tsfpm_die("unknown setting %u from the master", key);
    }
}

void tsfpm_settings_take(struct tsfpm_settings *settings, const uint8_t *payload, size_t length)
{
    const uint8_t *end = payload + length, *bytes;
    struct tsfpm_setting setting;
    struct given given = {.soft_files = -1};
    settings->identity.pool = settings->identity.user = unknown;
    for (const uint8_t *at = payload; next_setting(&at, end, &setting, &bytes);)
        take_one(settings, &given, (enum tsfpm_setting_key)setting.key, bytes, setting.length);
    if (settings->identity.has_uid != settings->identity.has_gid)
        tsfpm_die("the master named a user or a group, not both");
    if (settings->identity.chroot != NULL) tsfpm_jail_prepare(settings->identity.chroot);
    struct rlimit *files = &settings->identity.files;
    if (given.soft_files >= 0 && (rlim_t)given.soft_files < files->rlim_cur) files->rlim_cur = (rlim_t)given.soft_files;
    read_lists(payload, end);
    tsfpm_pages_configure(given.status_path, given.ping_path);
    tsfpm_main_script_configure(given.limit_extensions);
    tsfpm_environment_configure();
    if (given.allowed_clients != NULL) tsfpm_allowed_clients_configure(given.allowed_clients);
    /* Each worker tells of them, as under php-fpm; where nothing that it says is kept, they must not go unsaid. */
    if (!settings->catches_output) tsfpm_allowed_clients_tell_mistakes();
    if (given.zygote_title != NULL) tsfpm_title_set(given.zygote_title);
}
