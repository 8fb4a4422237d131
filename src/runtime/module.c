/*
 * The runtime as a PHP extension, without PHP's headers and without a build for each PHP version: the few structures it
 * needs have the same shape in PHP 7.4 to 8.5 (Zend/zend_modules.h, zend_string.h). The fields by which PHP recognises
 * an extension of its own build are copied, when PHP loads this one, from the extension "standard".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access-log.h"
#include "environment.h"
#include "errand.h"
#include "error-header.h"
#include "finish.h"
#include "get-status.h"
#include "keeper-link.h"
#include "libc.h"
#include "locked-values.h"
#include "main-script.h"
#include "messages.h"
#include "php.h"
#include "php-start.h"
#include "request-body.h"
#include "request-ini.h"
#include "request.h"
#include "sapi-name.h"
#include "script-child.h"
#include "script-rules.h"
#include "sent-status.h"
#include "signals.h"
#include "stream.h"
#include "template.h"

static size_t (*memory_peak_usage)(bool real);

static int request_startup(int type, int module_number)
{
    (void)type;
    (void)module_number;
    if (tsfpm_role != TSFPM_ROLE_WORKER) return 0;
    tsfpm_locked_values_set();
    tsfpm_php_start_ends();
    tsfpm_signals_watch(tsfpm_finish_request);
    tsfpm_request_starts();
    if (tsfpm_stream_keeps_connection()) tsfpm_keeper_want();
    tsfpm_access_log_request_starts();
    tsfpm_error_header_request_starts();
    tsfpm_main_script_check();
    return 0;
}

static int request_shutdown(int type, int module_number)
{
    (void)type;
    (void)module_number;
    if (tsfpm_role != TSFPM_ROLE_WORKER) return 0;
    tsfpm_main_script_check_end();
    tsfpm_request_body_ends();
    tsfpm_request_ends(memory_peak_usage(true));
    return 0;
}

static int module_startup(int type, int module_number)
{
    (void)type;
    tsfpm_template_module_startup();
    tsfpm_error_header_start(module_number);
    return 0;
}

#define FUNCTIONS_MOST 2
static const void *functions[(FUNCTIONS_MOST + 1) * TSFPM_FUNCTION_WORDS_MOST]; /* and zeros to end the row */

static void register_functions(struct module_entry *entry, const struct module_entry *standard)
{
    size_t words = tsfpm_function_words(standard->functions);
    const struct {
        const char *name;
        void (*handler)(struct execute_data *, struct zval *);
        bool is_possible;
    } ours[FUNCTIONS_MOST] = {
        {"fpm_get_status", tsfpm_get_status, tsfpm_get_status_prepare()},
        {"fastcgi_finish_request", tsfpm_finish_request, tsfpm_finish_prepare()},
    };
    size_t at = 0;
    for (size_t i = 0; i < FUNCTIONS_MOST; i++) {
        if (!ours[i].is_possible) continue;
        functions[at] = ours[i].name;
        functions[at + 1] = (const void *)(uintptr_t)ours[i].handler;
        functions[at + 2] = tsfpm_no_arguments;
        at += words;
    }
    entry->functions = functions;
}

static struct module_entry module = {
    .size = sizeof(struct module_entry),
    .name = "tsfpm",
    .version = "1",
    .module_startup = module_startup,
    .request_startup = request_startup,
    .request_shutdown = request_shutdown,
};

/* A PHP that the runtime cannot work with ends the start here, before anything else of PHP is touched. */
static void check_build(const struct module_entry *standard)
{
    if (standard->zts) tsfpm_die("this php-cgi is a thread-safe (ZTS) build; tsfpm needs a non-thread-safe one");
    if (standard->size != sizeof module) tsfpm_die("this php-cgi has an unknown layout of extensions");
    char *const *sapi_name = dlsym(RTLD_DEFAULT, "sapi_module"); /* its first field */
    if (*sapi_name == NULL || strcmp(*sapi_name, "cgi-fcgi") != 0)
        tsfpm_die("this is no php-cgi, but PHP's program for '%s'; php_cgi wants the php-cgi of that version",
                  *sapi_name != NULL ? *sapi_name : "");
    int major = 0, minor = 0;
    if (standard->version == NULL || sscanf(standard->version, "%d.%d", &major, &minor) != 2)
        tsfpm_die("this php-cgi does not tell its version");
    if (major < 7 || (major == 7 && minor < 4))
        tsfpm_die("this php-cgi is PHP %s, which is too old; tsfpm needs PHP 7.4 to 8.5", standard->version);
    if (major > 8 || (major == 8 && minor > 5))
        dprintf(STDERR_FILENO, "PHP %s is newer than this tsfpm, which is tested with PHP 7.4 to 8.5; trying\n",
                standard->version);
}

/* PHP asks every extension that it loads for this. NULL is answered with a warning and the extension left out. */
TSFPM_EXPORT struct module_entry *get_module(void)
{
    if (tsfpm_role != TSFPM_ROLE_STARTING) return NULL;
    void *registry = dlsym(RTLD_DEFAULT, "module_registry");
    struct zval *(*find)(const void *, const char *, size_t);
    *(void **)&find = dlsym(RTLD_DEFAULT, "zend_hash_str_find");
    *(void **)&memory_peak_usage = dlsym(RTLD_DEFAULT, "zend_memory_peak_usage");
    if (registry == NULL || find == NULL || memory_peak_usage == NULL || !tsfpm_locked_values_prepare())
        tsfpm_die("this php-cgi does not export what the runtime needs (PHP 7.4 to 8.5 do)");
    const struct zval *found = find(registry, "standard", sizeof "standard" - 1);
    if (found == NULL) tsfpm_die("this php-cgi has no extension 'standard'");
    const struct module_entry *standard = found->pointer;
    check_build(standard);
    module.zend_api = standard->zend_api;
    module.zend_debug = standard->zend_debug;
    module.build_id = standard->build_id;
    tsfpm_php_version = standard->version;
    register_functions(&module, standard);
    tsfpm_sapi_name_set();
    tsfpm_access_log_prepare();
    tsfpm_sent_status_prepare();
    tsfpm_script_rules_prepare();
    tsfpm_main_script_prepare();
    tsfpm_request_ini_prepare();
    tsfpm_messages_prepare();
    tsfpm_request_body_prepare();
    tsfpm_environment_prepare();
    tsfpm_script_child_prepare();
    tsfpm_errand_prepare();
    return &module;
}
