#define _GNU_SOURCE
#include "title.h"

#include <stddef.h>
#include <string.h>

#include "libc.h"

static char *memory; /* arguments and environment follow each other there */
static size_t size;  /* bytes; 0: there is no room */

void tsfpm_title_prepare(int argc, char **argv, char **envp)
{
    if (argc < 1 || argv == NULL || argv[0] == NULL) return;
    char *end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; i++) end = argv[i] + strlen(argv[i]) + 1;
    for (char **entry = envp; entry != NULL && *entry == end; entry++) end = *entry + strlen(*entry) + 1;
    memory = argv[0];
    size = (size_t)(end - argv[0]);
    /* php-cgi reads its arguments once more in the worker, whose title would be taken for options. */
    for (int i = 0; i < argc; i++)
        if ((argv[i] = strdup(argv[i])) == NULL) tsfpm_die("no memory for the arguments");
}

void tsfpm_title_set(const char *title)
{
    if (size < 2) return;
    size_t length = strlen(title);
    if (length > size - 1) length = size - 1;
    memcpy(memory, title, length);
    memset(memory + length, 0, size - length);
}
