import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTakeover } from '../../../src/upgrade/takeover.js';

const NOTHING = {
  isBackground: false,
  zygotes: [],
  lentFds: [],
  pidFile: undefined,
  stderrFd: undefined,
  restarts: undefined,
};

test('what another version wrote is understood as far as it goes', () => {
  const zygote = { pid: 4711, controlFd: 21 };
  const whole = {
    isBackground: true,
    zygotes: [zygote],
    lentFds: [3],
    pidFile: '/run/tsfpm.pid',
    stderrFd: 22,
    restarts: { count: 2, lastMs: 5.5 },
  };
  assert.deepEqual(decodeTakeover(JSON.stringify(whole)), whole);
  assert.deepEqual(decodeTakeover(JSON.stringify({ ...whole, ofTheFuture: 1 })), whole);
  assert.deepEqual(
    decodeTakeover('{"zygotes":[{"pid":4711,"controlFd":21,"name":"www"}]}').zygotes.length,
    1,
  );
  for (const text of [
    '',
    'background,5,6',
    'null',
    '[]',
    '7',
    '{"zygotes":{},"lentFds":"3","pidFile":9,"restarts":{"count":1}}',
  ])
    assert.deepEqual(decodeTakeover(text), NOTHING, text);
});

test('standard descriptors and process 1 are nobody’s to pass on', () => {
  const zygotes = [{ pid: 1, controlFd: 9 }, { pid: 4711, controlFd: 2 }, { pid: 4711 }, null, 9];
  assert.deepEqual(
    decodeTakeover(JSON.stringify({ zygotes, lentFds: [0, 2, -1, 3.5, '4', 5], stderrFd: 2 })),
    {
      ...NOTHING,
      lentFds: [5],
    },
  );
});
