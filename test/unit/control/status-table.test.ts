import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolSummary } from '../../../src/control/pool-summary.js';
import { durationText, isControlStatus, statusTable } from '../../../src/control/status-table.js';
import type { ControlPoolStatus, ControlStatus } from '../../../src/control/target.js';
import { POOL } from '../status/sample.js';
import { STATUS } from './fake-target.js';

const [WWW] = STATUS.pools as [ControlPoolStatus];

test('shows the master and a line for each pool', () => {
  const shop = { ...WWW, name: 'shop', processManager: 'ondemand', draining: 1, trouble: 'no php-cgi' };
  assert.deepEqual(statusTable({ ...STATUS, pools: [WWW, shop] }), [
    'tsfpm 0.1.0, pid 4242, running for 1 d 2 h, ready',
    '/etc/tsfpm.conf, 2 reloads',
    '',
    'POOL                PM        GEN  IDLE  BUSY   MAX QUEUE      REQUESTS     SLOW',
    'www                 dynamic     3     2     1    10     0          4711        5',
    'shop                ondemand    3     2     1    10     0          4711        5',
    '  1 worker of older generations still at work',
    '  no php-cgi',
  ]);
});

test('pools where clients wait come first, then the busiest, then the others as they are written', () => {
  const pools = [
    { ...WWW, name: 'calm', active: 0 },
    { ...WWW, name: 'asleep', active: 0 },
    { ...WWW, name: 'busy', active: 2 },
    { ...WWW, name: 'late', active: 1, listenQueue: 3 },
    { ...WWW, name: 'busier', active: 9 },
  ];
  const names = statusTable({ ...STATUS, pools })
    .slice(4)
    .map((line) => line.split(' ')[0]);
  assert.deepEqual(names, ['late', 'busier', 'busy', 'calm', 'asleep']);
});

test('a pool without a zygote has no generation that serves', () => {
  const idle = { ...WWW, name: 'shop', processManager: 'ondemand', zygotePid: null, idle: 0, active: 0 };
  assert.equal(
    statusTable({ ...STATUS, pools: [idle] })[4],
    'shop                ondemand    -     0     0    10     0          4711        5',
  );
});

test('says what is wrong', () => {
  const master = {
    ...STATUS.master,
    ready: false,
    reason: 'pool www: it fails',
    reloads: { succeeded: 1, failed: 3, isLastSuccessful: false },
  };
  assert.deepEqual(statusTable({ master, pools: [] }).slice(0, 2), [
    'tsfpm 0.1.0, pid 4242, running for 1 d 2 h, not ready: pool www: it fails',
    '/etc/tsfpm.conf, 1 reload, 3 refused (the last one too)',
  ]);
});

test('large pools fit in 80 columns', () => {
  const large: ControlPoolStatus = {
    ...WWW,
    name: 'a-very-long-name-of-a-pool.example.com',
    processManager: 'ondemand',
    generation: 9999,
    idle: 99_999,
    active: 99_999,
    maxChildren: 99_999,
    listenQueue: 65_535,
    requests: 9_999_999_999_999,
    slowRequests: 99_999_999,
  };
  const [, , , head = '', line = ''] = statusTable({ ...STATUS, pools: [large] });
  assert.deepEqual([head.length, line.length], [80, 80]);
  assert.ok(line.startsWith('a-very-long-name-o~ ondemand 9999 99999 '));
});

test('clients that an overloaded pool has turned away are told below it', () => {
  const remark = (pool: Partial<ControlPoolStatus>) =>
    statusTable({ ...STATUS, pools: [{ ...WWW, trouble: undefined, draining: 0, ...pool }] })[5];
  assert.equal(remark({}), undefined, 'a master of an older version does not tell');
  assert.equal(remark({ refused: 0, gone: 0n }), undefined);
  assert.equal(
    remark({ refused: 1, gone: 0n }),
    '  overload so far: 1 client got 503 from the queue, 0 had left it',
  );
  assert.equal(
    remark({ refused: 0, gone: 7 }),
    '  overload so far: 0 clients got 503 from the queue, 7 had left it',
  );
});

test('kept connections that no worker holds are told below the pool', () => {
  const remark = (pool: Partial<ControlPoolStatus>) =>
    statusTable({ ...STATUS, pools: [{ ...WWW, trouble: undefined, draining: 0, ...pool }] })[5];
  assert.equal(remark({ keptIdle: 0, keptReady: 0 }), undefined);
  assert.equal(
    remark({ keptIdle: 1, keptReady: 2 }),
    '  kept without a worker: 1 idle connection, 2 with a request',
  );
});

test('a name cannot command the terminal', () => {
  const evil = { ...WWW, name: '\u001b[2J\r\n', trouble: 'a\u202eb' };
  const text = statusTable({ ...STATUS, pools: [evil] }).join('\n');
  assert.match(text, /^\?\[2J\?\? /m);
  assert.match(text, /^ {2}a\?b$/m);
});

const DURATIONS: readonly [seconds: number, text: string][] = [
  [0, '0 s'],
  [59.9, '59 s'],
  [60, '1 min 0 s'],
  [3661, '1 h 1 min'],
  [86_400, '1 d 0 h'],
];

for (const [seconds, text] of DURATIONS) {
  test(`${seconds} s are ${text}`, () => assert.equal(durationText(seconds), text));
}

test('only a status is taken for one', () => {
  assert.ok(isControlStatus(STATUS));
  for (const other of [undefined, null, 5, [], {}, { master: {}, pools: [] }, { ...STATUS, pools: [null] }])
    assert.equal(isControlStatus(other), false);
});

test('a pool is told from what its status pages show', () => {
  const facts = {
    listen: '/run/www.sock',
    maxChildren: 10,
    generation: 3,
    draining: 1,
    zygotePid: 77,
    trouble: undefined,
  };
  const expected: ControlPoolStatus = {
    ...facts,
    name: 'www',
    processManager: 'dynamic',
    idle: 2,
    active: 1,
    listenQueue: 3,
    requests: 4711n,
    slowRequests: 5n,
    refused: 9,
    gone: 3n,
    keptIdle: 12,
    keptReady: 4,
  };
  const summary = poolSummary(POOL, facts);
  assert.deepEqual(summary, expected);
  const status: ControlStatus = { master: STATUS.master, pools: [summary] };
  assert.ok(isControlStatus(status));
});
