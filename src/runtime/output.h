/* What a worker prints to its stdout and stderr, outside of its answers. */
#ifndef TSFPM_OUTPUT_H
#define TSFPM_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Written behind a request's output where that may lack its last newline: the master ends the line there. The bytes are
 * those of php-fpm's own workers.
 */
#define TSFPM_OUTPUT_END "\0fscf"
#define TSFPM_OUTPUT_END_LENGTH 6

/*
 * Worker, before its first request: catch_workers_output. What is not caught goes to /dev/null, which is descriptor 0.
 */
void tsfpm_output_begin(uint32_t slot, bool is_caught);
/* Set by the hook of write(): a request that never writes to any descriptor but its client's has printed nothing. */
extern bool tsfpm_output_is_possible;
void tsfpm_output_request_ends(void);

/*
 * Worker: opens its own stdout or stderr where the path is what PHP makes of /dev/stderr, /proc/self/fd/2 and the like.
 * Returns -1 with ENOENT for any other path.
 */
int tsfpm_output_open(const char *path, int flags);

/* Zygote: reads a pipe of that worker. Returns what read() does. */
long tsfpm_output_read(uint32_t slot, int stream, int fd, char *buffer, size_t size);

#endif
