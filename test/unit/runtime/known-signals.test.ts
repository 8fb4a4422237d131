import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { compileProgram } from '../../helpers/c-program.js';

/**
 * Obeys one word after the other, and prints what the kernel was asked for each: `?` for a question, `!` for a change.
 *
 *   b, s   PHP's start of a request begins, ends       q  the action of SIGTERM is asked for, and must be right
 *   w      SIGTERM gets one handler, W another         u  SIGPROF is unblocked
 *   p      SIGPIPE is ignored
 *   B      SIGPROF is blocked                          f  something may have changed unseen
 *   h      what is asked next is changed meanwhile by a handler of another signal
 */
const MAIN = `
#define _GNU_SOURCE
#include "known-signals.h"
#include "libc.h"
#include <stdbool.h>
#include <stdio.h>

static bool handler_comes;
static void one(int signal_number) { (void)signal_number; }
static void other(int signal_number) { (void)signal_number; }
static void handler(void)
{
    if (!handler_comes) return;
    handler_comes = false;
    const struct sigaction wanted = {.sa_handler = other};
    tsfpm_known_sigaction(SIGTERM, &wanted, NULL);
}
static int count_action(int signal_number, const struct sigaction *wanted, struct sigaction *old)
{
    putchar(wanted != NULL ? '!' : '?');
    int result = sigaction(signal_number, wanted, old);
    handler();
    return result;
}
static int count_mask(int how, const sigset_t *signals, sigset_t *old)
{
    putchar('!');
    return sigprocmask(how, signals, old);
}
const struct tsfpm_libc *tsfpm_libc(void)
{
    static const struct tsfpm_libc libc = {.sigaction = count_action, .sigprocmask = count_mask};
    return &libc;
}

int main(int argc, char **argv)
{
    struct sigaction found, truth, wanted = {.sa_handler = one};
    sigset_t prof;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    for (const char *word = argv[1]; argc == 2 && *word != 0; word++) {
        wanted.sa_handler = *word == 'W' ? other : one;
        switch (*word) {
        case 'b': tsfpm_known_signals_request_begins(); break;
        case 's': tsfpm_known_signals_request_starts(); break;
        case 'q':
            tsfpm_known_sigaction(SIGTERM, NULL, &found);
            sigaction(SIGTERM, NULL, &truth);
            if (!handler_comes && found.sa_handler != truth.sa_handler && found.sa_handler != SIG_DFL) return 3;
            break;
        case 'w':
        case 'W': tsfpm_known_sigaction(SIGTERM, &wanted, NULL); break;
        case 'u': tsfpm_known_sigprocmask(SIG_UNBLOCK, &prof, NULL); break;
        case 'B': tsfpm_known_sigprocmask(SIG_BLOCK, &prof, NULL); break;
        case 'p': tsfpm_known_sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL); break;
        case 'f': tsfpm_known_signals_forget(); break;
        case 'h': handler_comes = true; break;
        }
        putchar(*word);
    }
    sigprocmask(SIG_BLOCK, NULL, &prof);
    puts(sigismember(&prof, SIGPROF) ? " blocked" : "");
    return 0;
}`;

test('PHP’s start of a request asks the kernel again only after a change', (t) => {
  const program = compileProgram(t, MAIN, ['known-signals.c']);
  const asked = (words: string) => {
    const { stdout, status, stderr } = spawnSync(program, [words], { encoding: 'utf8' });
    assert.equal(status, 0, `${words}: ${stdout}${stderr}`);
    return stdout.trim();
  };
  // What one request has learnt holds for the next ones.
  assert.equal(asked('bqwus'.repeat(4)), `b?q!w!usb?qwus${'bqwus'.repeat(2)}`);
  // Outside of it the kernel is always asked.
  assert.equal(asked('bqqsqq'), 'b?qqs?q?q');
  // Changes of scripts, and what may have been one.
  assert.equal(asked('bqsWbqqs'), 'b?qs!Wb?qqs');
  assert.equal(asked('bqsfbqqs'), 'b?qsfb?qqs');
  assert.equal(asked('bwwsWbws'), 'b!wws!Wb!ws');
  assert.equal(asked('buusBbuus'), 'b!uus!Bb!u!us');
  // Of other signals, which libraries ignore for a moment.
  assert.equal(asked('bqwuspbqqwus'), 'b?q!w!us!pb?qqwus');
  // Each handler that is set is set, even in turns.
  assert.equal(asked('bwWwWs'), 'b!w!W!w!Ws');
});

test('what a handler has changed meanwhile is not taken for known', (t) => {
  const program = compileProgram(t, MAIN, ['known-signals.c']);
  const asked = (words: string) => spawnSync(program, [words], { encoding: 'utf8' }).stdout.trim();
  assert.equal(asked('bhqqqs'), 'bh?!q?qqs');
  assert.equal(asked('bhwwqs'), 'bh!!w!w?qs');
});
