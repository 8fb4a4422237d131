import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { compileProgram } from '../../helpers/c-program.js';

/**
 * Workers that share an opcache, as child processes. Each obeys words that name it:
 *
 *   A+, A-   is within a request from now on, no longer    A?  prints whose pid it is told, or 0: who is within one
 *   A!       is killed                                     A=  takes the life locks of all that there are no workers of
 *
 * The locks that the kernel was asked for are counted: of byte 1.
 */
const MAIN = `
#define _GNU_SOURCE
#include "libc.h"
#include "opcache-lock.h"
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum tsfpm_role tsfpm_role = TSFPM_ROLE_WORKER;
static int asked;
static int count(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    struct flock *lock = va_arg(arguments, struct flock *);
    va_end(arguments);
    if (lock->l_start == 1 && command == F_SETLK) asked++;
    return fcntl(fd, command, lock);
}
const struct tsfpm_libc *tsfpm_libc(void)
{
    static const struct tsfpm_libc libc = {.fcntl = count};
    return &libc;
}

static int lock_file;
static int call(int command, short type, off_t start, off_t length, pid_t *pid)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length, .l_pid = -1};
    int result = tsfpm_opcache_lock_fcntl(lock_file, command, &lock);
    if (pid != NULL) *pid = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
    return result;
}

static void work(uint32_t slot, int orders, int answers)
{
    char word;
    pid_t pid = 0;
    tsfpm_opcache_lock_begin(slot);
    while (read(orders, &word, 1) == 1) {
        int result = 0;
        if (word == '+') result = call(F_SETLK, F_RDLCK, 1, 1, NULL);
        if (word == '-') result = call(F_SETLK, F_UNLCK, 0, 0, NULL);
        if (word == '?') result = call(F_GETLK, F_WRLCK, 1, 1, &pid);
        if (word == '=')
            for (off_t i = 0; i < 4096; i++) fcntl(lock_file, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_start = 4096 + i, .l_len = 1});
        if (word == '!') raise(SIGKILL);
        int answer[3] = {result, word == '?' ? pid : 0, asked};
        if (write(answers, answer, sizeof answer) < 0) exit(1);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    pid_t pids[4];
    int orders[4][2], answers[4][2], answer[3];
    lock_file = memfd_create("lock", MFD_CLOEXEC);
    tsfpm_opcache_lock_prepare();
    /* Two of them have the same slot, in different pools. */
    for (int i = 0; i < 4; i++) {
        if (pipe(orders[i]) != 0 || pipe(answers[i]) != 0) return 2;
        if ((pids[i] = fork()) == 0) {
            for (int j = 0; j <= i; j++) close(orders[j][1]);
            work((uint32_t)(i % 3), orders[i][0], answers[i][1]);
        }
    }
    for (int i = 1; i < argc; i++) {
        int worker = argv[i][0] - 'A';
        if (write(orders[worker][1], argv[i] + 1, 1) != 1) return 3;
        if (argv[i][1] == '!') {
            waitpid(pids[worker], NULL, 0);
            continue;
        }
        if (read(answers[worker][0], answer, sizeof answer) != sizeof answer || answer[0] != 0) return 4;
        if (argv[i][1] != '?') continue;
        int who = -1;
        for (int j = 0; j < 4; j++)
            if (answer[1] == pids[j]) who = j;
        printf("%c%s ", who < 0 ? answer[1] == 0 ? '0' : '?' : 'A' + who, answer[2] > 0 ? "k" : "");
    }
    puts("");
    for (int i = 0; i < 4; i++) kill(pids[i], SIGKILL);
    return 0;
}`;

/** Words -> what is told: a worker or 0; `k` where the one that asks has used the kernel's lock itself. */
const STORIES: readonly (readonly [string, string, string])[] = [
  ['nobody is within a request', 'A?', '0'],
  ['one is, and does not hinder itself', 'A+ B? A?', 'A 0'],
  ['one was', 'A+ A- B?', '0'],
  ['each one that is, one after the other', 'A+ B+ C? A- C? B- C?', 'A B 0'],
  ['two of one slot have flags of their own', 'A+ D+ A- B? D- B?', 'D 0'],
  ['one that is killed within a request is not', 'A+ B? A! B?', 'A 0'],
  ['one that was killed, of two of one slot, leaves the other’s flag', 'A+ D+ A! B? D- B?', 'D 0'],
  ['the flag of one that was killed is taken over clean', 'A+ A! D+ D- B?', '0'],
  ['where there is no flag left the kernel’s lock does', 'C= A+ B? A- B? B+ B- B?', 'A 0 0k'],
  ['locks of the kernel and flags are both told of', 'A+ A- C= B+ A? B- A+ D?', 'B A'],
];

test('workers are told who else is within a request of their opcache', (t) => {
  const program = compileProgram(t, MAIN, ['opcache-lock.c']);
  for (const [what, words, told] of STORIES) {
    const { stdout, status, stderr } = spawnSync(program, words.split(' '), { encoding: 'utf8' });
    assert.equal(status, 0, `${what}: ${stderr}`);
    assert.equal(stdout.trim(), told, what);
  }
});
