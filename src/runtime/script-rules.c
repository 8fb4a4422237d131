#define _GNU_SOURCE
#include "script-rules.h"

#include <dlfcn.h>
#include <limits.h>
#include <unistd.h>

#include "libc.h"

static struct {
    long (*ini_long)(const char *, size_t, int);
    char *(*ini_string)(const char *, size_t, int);
    char *(*real_path)(const char *, char *);
} php;

void tsfpm_script_rules_prepare(void)
{
    *(void **)&php.ini_long = dlsym(RTLD_DEFAULT, "zend_ini_long");
    *(void **)&php.ini_string = dlsym(RTLD_DEFAULT, "zend_ini_string");
    *(void **)&php.real_path = dlsym(RTLD_DEFAULT, "tsrm_realpath");
}

static bool fixes_path_info(void)
{
    return php.ini_long == NULL || php.ini_long("cgi.fix_pathinfo", sizeof "cgi.fix_pathinfo" - 1, 0) != 0;
}

static const char *doc_root(void)
{
    const char *root = php.ini_string != NULL ? php.ini_string("doc_root", sizeof "doc_root" - 1, 0) : NULL;
    return root != NULL ? root : "";
}

/* php-cgi asks the same function in a moment; what it found is then in its cache. */
static bool exists(const char *path)
{
    char buffer[PATH_MAX];
    return php.real_path != NULL ? php.real_path(path, buffer) != NULL : access(path, F_OK) == 0;
}

const struct tsfpm_script_rules *tsfpm_script_rules(void)
{
    static const struct tsfpm_script_rules rules = {fixes_path_info, doc_root, exists};
    return &rules;
}
