import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { compileProgram } from '../../helpers/c-program.js';

/**
 * A worker whose request PHP has shut down, in a phase that is given by name, writes a text and END_REQUEST as php-cgi
 * does: again and again, until all of it is taken. libc's write takes a number of bytes at once, as it does where a
 * signal interrupts it while it waits for the client. Where a third argument says so, a message waits to be sent. Prints
 * the phase after each write, the length of what the client has got at first, of all that it has, and how often the
 * script's children were told.
 */
const MAIN = `
#define _GNU_SOURCE
#include "answer.h"
#include "client.h"
#include "fastcgi.h"
#include "libc.h"
#include "request.h"
#include "stream.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t most_at_once;
static ssize_t write_some(int fd, const void *bytes, size_t size)
{
    if (size == 0) return 0; /* as a stream socket does */
    return write(fd, bytes, size < most_at_once ? size : most_at_once);
}
static int no_shutdown(int fd, int how)
{
    (void)fd, (void)how;
    return 0;
}
const struct tsfpm_libc *tsfpm_libc(void)
{
    static const struct tsfpm_libc libc = {.write = write_some, .shutdown = no_shutdown};
    return &libc;
}
enum tsfpm_role tsfpm_role = TSFPM_ROLE_WORKER;
struct tsfpm_stream tsfpm_stream;
static unsigned children_told;
static const uint8_t message[24] = "a record";
static size_t waiting;
struct iovec tsfpm_messages_take(void)
{
    struct iovec taken = tsfpm_piece(message, waiting);
    waiting = 0;
    return taken;
}
void tsfpm_script_children_lose_client(void) { children_told++; }
bool tsfpm_is_time_to_part(void) { return false; }
void tsfpm_own_slot_stage(enum tsfpm_stage stage) { (void)stage; }
void tsfpm_request_is_answered(enum tsfpm_phase phase) { tsfpm_enter_phase(phase); }

int main(int argc, char **argv)
{
    uint8_t answer[100 + TSFPM_END_REQUEST_LEN], received[200], expected[200];
    int ends[2];
    /* Such a socket shows where a write ended. */
    if (argc < 3 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) return 2;
    size_t before = argc > 3 ? sizeof message : 0;
    waiting = before;
    most_at_once = strtoul(argv[1], NULL, 10);
    tsfpm_request_phase = atoi(argv[2]);
    tsfpm_connection = ends[1];
    memset(answer, 'x', 100);
    tsfpm_make_end_request(answer + 100, 1);
    if (tsfpm_answer_write(answer, 0) != 0) return 3; /* takes no message along */
    for (size_t done = 0; done < sizeof answer;) {
        ssize_t written = tsfpm_answer_write(answer + done, sizeof answer - done);
        if (written <= 0) return 3;
        done += (size_t)written;
        printf("%d ", (int)tsfpm_request_phase);
    }
    close(ends[1]);
    size_t there = 0, first = 0;
    for (ssize_t count; (count = read(ends[0], received + there, sizeof received - there)) > 0;) {
        if (there == 0) first = (size_t)count;
        there += (size_t)count;
    }
    memcpy(expected, message, before);
    memcpy(expected + before, answer, sizeof answer);
    if (there != 0 && (there != before + sizeof answer || memcmp(received, expected, there) != 0)) return 4;
    printf("%zu %zu %u\\n", first, there, children_told);
}`;

const PHASES = { running: 3, shutDown: 5, shutDownAnswered: 6, ending: 7, answered: 8 };
const LENGTH = 116;
const MESSAGE_LENGTH = 24;

function compile(t: Parameters<typeof compileProgram>[0]) {
  const program = compileProgram(t, MAIN, ['answer.c', 'client.c', 'pieces.c', 'request-phase.c']);
  return (mostAtOnce: number, phase: number, ...more: readonly string[]) => {
    const { stdout, stderr, status } = spawnSync(program, [String(mostAtOnce), String(phase), ...more], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, `${mostAtOnce} bytes at once: ${stderr}`);
    const numbers = stdout.trim().split(' ').map(Number);
    const [first, received, childrenTold] = numbers.slice(-3);
    return { phases: numbers.slice(0, -3), first, received, childrenTold };
  };
}

test('an answer is over once its END_REQUEST is written, wherever that is cut', (t) => {
  const write = compile(t);
  for (let mostAtOnce = 1; mostAtOnce <= LENGTH; mostAtOnce++) {
    const { phases, received, childrenTold } = write(mostAtOnce, PHASES.shutDown);
    assert.equal(phases.length, Math.ceil(LENGTH / mostAtOnce));
    assert.equal(phases.pop(), PHASES.answered, `${mostAtOnce} bytes at once`);
    assert.deepEqual(new Set(phases), new Set(phases.length > 0 ? [PHASES.ending] : []));
    assert.equal(received, LENGTH);
    assert.ok(childrenTold !== undefined && childrenTold >= 1);
  }
});

test('what a script writes that looks like END_REQUEST ends nothing', (t) => {
  const { phases, received } = compile(t)(LENGTH, PHASES.running);
  assert.deepEqual(phases, [PHASES.running]);
  assert.equal(received, LENGTH);
});

test('the END_REQUEST of a request that was answered early goes nowhere, and ends it', (t) => {
  const { phases, received } = compile(t)(7, PHASES.shutDownAnswered);
  assert.deepEqual(phases, [PHASES.answered]);
  assert.equal(received, 0);
});

test('a message that waits is written with the next piece of the answer, in one call', (t) => {
  const write = compile(t);
  for (const phase of [PHASES.running, PHASES.shutDown]) {
    const { first, received } = write(1, phase, 'message');
    assert.deepEqual([first, received], [MESSAGE_LENGTH + LENGTH, MESSAGE_LENGTH + LENGTH]);
  }
});
