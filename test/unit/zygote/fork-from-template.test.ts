import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forkFrom } from '../../../src/zygote/fork-from-template.js';
import { Orphans } from '../../../src/zygote/orphans.js';
import type { ForkListener, Template } from '../../../src/zygote/template.js';

const FDS = { standInFd: 10, stdoutFd: 11, stderrFd: 12, controlFd: 13, scoreboardFd: 14, listenFd: 15 };

/** What becomes of a start whose template answers like that. */
function outcome(answer: (listener: ForkListener) => void, isWanted = true): string {
  let told = 'nothing';
  const template = {
    startedFrom: undefined,
    fork: (_descriptors: unknown, listener: ForkListener) => answer(listener),
  };
  const start = forkFrom(template as unknown as Template, new Orphans(), (descriptors) => {
    assert.equal(descriptors, FDS);
    told = 'started otherwise';
  });
  start(FDS, {
    isWanted: () => isWanted,
    onStarted: ({ pid }) => {
      told = `started as ${pid}`;
    },
    onFailed: (reason) => {
      told = reason;
    },
    onExit: () => {},
  });
  return told;
}

test('a zygote that cannot be forked is started otherwise, unless nobody wants it any more', () => {
  const fail = (listener: ForkListener) => listener.onFailed('fork() failed');
  assert.equal(outcome(fail), 'started otherwise');
  assert.equal(outcome(fail, false), 'fork() failed');
});

test('a zygote that has ended before its fork was reported is started otherwise', () => {
  const noChild = (listener: ForkListener) => listener.onForked(1);
  assert.equal(outcome(noChild), 'started otherwise');
  assert.equal(outcome(noChild, false), 'it ended as soon as it was forked');
});
