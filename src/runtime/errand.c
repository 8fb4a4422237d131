/*
 * An errand: forked from the zygote like a worker, with the same identity, jail, limits and opcache, it evaluates one
 * PHP text that comes from the master, sends back the text that this returns, and ends. What it is for: asking opcache
 * something, and having it compile scripts.
 *
 * Its connection is one end of a socket pair that the master has made for it: nobody else has ever had the other one.
 * php-cgi serves it as any client's, without the hooks of a worker, up to the moment at which it would open the script
 * that was asked for, "/.". So everything of PHP has started, no script of the pool is run, nor auto_prepend_file, and
 * nothing has to be in the pool's jail. The process ends at once after its answer: what PHP does at the end of a
 * request does not take place.
 *
 * The text calls opcache's functions by names of the runtime's, which disable_functions does not know. It calls no
 * other function of PHP, since any of them may be disabled.
 */
#define _GNU_SOURCE
#include "errand.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "libc.h"
#include "php.h"
#include "pieces.h"

/* Ends an errand whatever it does; the master gives up before. */
#define LIFE_S 10

#define PREFIX "tsfpm_"
#define NAME_MOST 64

/* Of opcache's functions, those that a text may call; and one of the runtime's. */
static const char *const lent[] = {"opcache_get_status", "opcache_compile_file"};
#define LENT (sizeof lent / sizeof *lent)

static struct {
    const void *registry;
    struct zval *(*find)(const void *, const char *, size_t);
    int (*alter_ini)(struct zend_string *name, const char *value, size_t length, int modify_type, int stage);
    char *(*ini_string)(const char *name, size_t length, int original);
    int (*register_functions)(void *scope, const void *functions, void *table, int type);
    int (*evaluate)(const char *text, size_t length, struct zval *result, const char *name);
    struct sapi_globals *sapi;
} php;

bool tsfpm_errand_has_begun;

static int connection = -1;
static bool was_accepted;

void tsfpm_errand_prepare(void)
{
    php.registry = dlsym(RTLD_DEFAULT, "module_registry");
    *(void **)&php.find = dlsym(RTLD_DEFAULT, "zend_hash_str_find");
    *(void **)&php.alter_ini = dlsym(RTLD_DEFAULT, "zend_alter_ini_entry_chars");
    *(void **)&php.ini_string = dlsym(RTLD_DEFAULT, "zend_ini_string");
    *(void **)&php.register_functions = dlsym(RTLD_DEFAULT, "zend_register_functions");
    *(void **)&php.evaluate = dlsym(RTLD_DEFAULT, "zend_eval_stringl");
    php.sapi = dlsym(RTLD_DEFAULT, "sapi_globals");
}

void tsfpm_errand_begin(int fd)
{
    connection = fd;
}

int tsfpm_errand_accept(struct sockaddr *address, socklen_t *length)
{
    sigset_t none;
    if (was_accepted) _exit(0); /* php-cgi has answered by itself: what the text asked for could not be done */
    was_accepted = true;
    sigemptyset(&none);
    tsfpm_libc()->signal(SIGALRM, SIG_DFL);
    alarm(LIFE_S);
    tsfpm_libc()->sigprocmask(SIG_SETMASK, &none, NULL);
    if (*length >= sizeof address->sa_family) address->sa_family = AF_UNIX;
    *length = sizeof address->sa_family;
    return connection;
}

/* ---- what the text may call ---- */

/* false once the master has closed its side of the connection for writing: it waits for the answer, and not long. */
static void may_go_on(struct execute_data *call, struct zval *result)
{
    (void)call;
    struct pollfd master = {.fd = connection, .events = POLLRDHUP};
    bool is_over = tsfpm_libc()->poll(&master, 1, 0) > 0;
    result->types = is_over ? ZVAL_FALSE : ZVAL_TRUE;
}

static const void *const *find_function(const void *const *functions, size_t words, const char *name)
{
    for (; functions[0] != NULL; functions += words)
        if (strcmp(functions[0], name) == 0) return functions;
    return NULL;
}

/* From the row that opcache has given to PHP: what php.ini disables of it is there all the same. */
static bool lend_functions(void)
{
    static const void *row[(LENT + 2) * TSFPM_FUNCTION_WORDS_MOST]; /* and zeros to end it */
    static char names[LENT][NAME_MOST];
    const struct zval *found = php.find(php.registry, "zend opcache", sizeof "zend opcache" - 1);
    if (found == NULL) return false;
    const struct module_entry *opcache = found->pointer;
    size_t words = tsfpm_function_words(opcache->functions);
    for (size_t i = 0; i < LENT; i++) {
        const void *const *entry = find_function(opcache->functions, words, lent[i]);
        if (entry == NULL) return false;
        memcpy(&row[i * words], entry, words * sizeof *row);
        snprintf(names[i], sizeof names[i], "%s%s", PREFIX, lent[i]);
        row[i * words] = names[i];
    }
    row[LENT * words] = PREFIX "may_go_on";
    row[LENT * words + 1] = (const void *)(uintptr_t)may_go_on;
    row[LENT * words + 2] = tsfpm_no_arguments;
    return php.register_functions(NULL, row, NULL, 2 /* MODULE_TEMPORARY */) == 0;
}

/* ---- doing it ---- */

static bool is_possible(void)
{
    return php.registry != NULL && php.find != NULL && php.alter_ini != NULL && php.ini_string != NULL &&
           php.register_functions != NULL && php.evaluate != NULL && php.sapi != NULL && tsfpm_sapi_module() != NULL;
}

/* Its end, for whoever cannot answer: the master takes a closed connection for that. */
static _Noreturn void leave(void)
{
    _exit(0);
}

static void send_answer(const struct zend_string *text)
{
    struct tsfpm_errand_answer head = {.magic = TSFPM_ERRAND_MAGIC, .length = (uint32_t)text->length};
    struct iovec pieces[] = {tsfpm_piece(&head, sizeof head), tsfpm_piece(text->value, text->length)};
    tsfpm_write_pieces(connection, pieces, sizeof pieces / sizeof *pieces);
}

_Noreturn void tsfpm_errand_run(void)
{
    tsfpm_errand_has_begun = true;
    if (!is_possible() || php.sapi->content_length <= 0 || php.sapi->content_length > TSFPM_FRAME_PAYLOAD_MAX) leave();
    size_t length = (size_t)php.sapi->content_length;
    char *text = malloc(length + 1);
    if (text == NULL || tsfpm_sapi_module()->read_post(text, length) != length) leave();
    text[length] = '\0';
    /* A script that cannot be compiled is no news for the pool's error log: its own request tells. */
    php.alter_ini(tsfpm_permanent_string("error_reporting"), "0", 1, ZEND_INI_SYSTEM, ZEND_INI_STAGE_RUNTIME);
    /* Only scripts below this folder may call opcache's functions; PHP takes this for the running script's path. */
    char *allowed = php.ini_string("opcache.restrict_api", sizeof "opcache.restrict_api" - 1, 0);
    if (allowed != NULL && allowed[0] != '\0') php.sapi->path_translated = strdup(allowed);
    struct zval result = {0};
    if (!lend_functions() || php.evaluate(text, length, &result, "tsfpm errand") != 0) leave();
    if ((result.types & 0xff) == ZEND_TYPE_STRING) send_answer(result.pointer);
    leave();
}
