import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { compileProgram } from '../../helpers/c-program.js';

/** Arguments: a request's duration and the time until the next, in us, any number of times. Prints each turn's end. */
const MAIN = `
#include "turn.h"
#include <stdio.h>
#include <stdlib.h>
static int yields;
int sched_yield(void)
{
    yields++;
    return 0;
}
int main(int argc, char **argv)
{
    uint64_t now_ns = 5000000;
    tsfpm_turn_may_end(now_ns);
    for (int i = 1; i + 1 < argc; i += 2) {
        yields = 0;
        uint64_t duration_ns = strtoull(argv[i], NULL, 10) * 1000;
        now_ns += duration_ns;
        tsfpm_turn_had_request(duration_ns);
        tsfpm_turn_may_end(now_ns);
        putchar(yields > 0 ? 'y' : '-');
        now_ns += strtoull(argv[i + 1], NULL, 10) * 1000;
    }
}`;

function turns(t: TestContext, requests: ReadonlyArray<readonly [duration: number, pause: number]>): string {
  const program = compileProgram(t, MAIN, ['turn.c']);
  return spawnSync(program, requests.flat().map(String), { encoding: 'utf8' }).stdout;
}

test('a worker gives up its core after each request that was long, and after 2 ms of short ones', (t) => {
  assert.equal(
    turns(t, [
      [110, 5],
      [13, 5],
      [49, 0],
      [50, 0],
      [20_000, 0],
    ]),
    'y--yy',
  ); // prettier-ignore
  const short = turns(
    t,
    Array.from({ length: 300 }, () => [15, 5] as const),
  );
  assert.equal([...short.matchAll(/y/g)].length, 2, short); // 6 ms in all; the first turn began before
  assert.match(short, /^-{90,}y-{95,}y-{90,}$/);
});

test('one that has slept between two requests gives up its core once, not once for each', (t) => {
  assert.equal(
    turns(t, [
      [15, 50_000],
      [15, 5],
      [15, 5],
    ]),
    '-y-',
  );
});
