import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { SlotGlance } from '../../../src/scoreboard/scoreboard.js';
import { OpenLines } from '../../../src/watch/open-lines.js';

class Output {
  isMidLine = false;
  ended = 0;
  #quiet = 0;

  print(): void {
    this.isMidLine = true;
    this.#quiet = 0;
  }

  quietChecks(): number {
    return ++this.#quiet;
  }

  endLine(): void {
    this.isMidLine = false;
    this.ended++;
  }
}

function open(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [first, second] = [new Output(), new Output()];
  const stages: (SlotGlance['stage'] | undefined)[] = ['accepting', 'accepting'];
  let checks = 0;
  const lines = new OpenLines({
    workers: () => {
      checks++;
      return [first, second].map((output, slot) => ({ slot, output }));
    },
    glance: (slot) => {
      const stage = stages[slot];
      return stage && { stage };
    },
  });
  // In steps: a timer that is set within a step counts from the end of that step.
  const tick = (ms: number) => {
    for (let atMs = 0; atMs < ms; atMs += 100) t.mock.timers.tick(100);
  };
  return { first, second, stages, lines, checks: () => checks, tick };
}

test('a line without an end is ended after a second without output, once its worker is idle', (t) => {
  const { first, second, stages, lines, tick } = open(t);
  stages[0] = 'executing';
  first.print();
  lines.onOutput(first);
  tick(800);
  second.print();
  lines.onOutput(second);
  tick(1000);
  assert.deepEqual([first.ended, second.ended], [0, 1]);
  stages[0] = 'waiting';
  tick(200);
  assert.equal(first.ended, 1);
});

test('while more comes, and while the slot cannot be read, the line goes on', (t) => {
  const { first, stages, lines, tick } = open(t);
  for (let i = 0; i < 10; i++) {
    first.print();
    lines.onOutput(first);
    tick(800);
  }
  stages[0] = undefined;
  tick(10_000);
  assert.equal(first.ended, 0);
});

test('no timer runs while no line is open, nor after the last worker', (t) => {
  const { first, lines, checks, tick } = open(t);
  lines.onOutput(first);
  tick(10_000);
  assert.equal(checks(), 0);
  first.print();
  lines.onOutput(first);
  tick(1000);
  const whileOpen = checks();
  tick(10_000);
  assert.deepEqual([first.ended, checks()], [1, whileOpen]);
  first.print();
  lines.onOutput(first);
  lines.stop();
  tick(10_000);
  assert.equal(checks(), whileOpen);
});
