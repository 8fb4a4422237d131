import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../../../src/errors.js';
import { isInHand, WorkerSignals } from '../../../src/pool/worker-signals.js';
import { WorkerTable } from '../../../src/pool/worker-table.js';
import type { SlotGlance } from '../../../src/scoreboard/scoreboard.js';
import { TIME_OUT_SIGNAL } from '../../../src/zygote/control-frames.js';
import { fakeProcess, fakeWorker } from './workers.js';

const BUSY: SlotGlance = { stage: 'executing', requestStartNs: 70n, idleSinceNs: 60n };

function open(options: { glance?: SlotGlance | undefined; hasEnded?: boolean; failure?: unknown } = {}) {
  const { handle, sent } = fakeProcess(100, options);
  const worker = fakeWorker({ slot: 2, pid: 100, process: handle });
  const workers = new WorkerTable(4);
  workers.add(worker);
  const logged: string[] = [];
  const log = {
    error: (line: string) => void logged.push(`error ${line}`),
    notice: (line: string) => void logged.push(`notice ${line}`),
  };
  const glance = () => ('glance' in options ? options.glance : BUSY);
  return { worker, workers, sent, logged, signals: new WorkerSignals({ pool: 'www', log, workers, glance }) };
}

// The request in question began at 70.
const IN_HAND: [is: boolean, glance: SlotGlance][] = [
  [true, { stage: 'reading headers', requestStartNs: 70n, idleSinceNs: 60n }],
  [true, { stage: 'info', requestStartNs: 70n, idleSinceNs: 70n }],
  [true, { stage: 'executing', requestStartNs: 70n, idleSinceNs: 60n }],
  [true, { stage: 'finished', requestStartNs: 70n, idleSinceNs: 60n }],
  [false, { stage: 'accepting', requestStartNs: 70n, idleSinceNs: 60n }],
  [false, { stage: 'waiting', requestStartNs: 70n, idleSinceNs: 60n }],
  [false, { stage: 'starting', requestStartNs: 70n, idleSinceNs: 60n }],
  // The next request, and a connection of which nothing has come yet.
  [false, { stage: 'executing', requestStartNs: 90n, idleSinceNs: 60n }],
  [false, { stage: 'reading headers', requestStartNs: 70n, idleSinceNs: 80n }],
];

for (const [is, glance] of IN_HAND)
  test(`a request that began at 70 is ${is ? '' : 'not '}in hand: ${glance.stage}, ${glance.requestStartNs}, ${glance.idleSinceNs}`, () => {
    assert.equal(isInHand(glance, 70n), is);
    const { signals, sent, worker } = open({ glance });
    signals.killRequest(2, 100, 70n);
    assert.deepEqual(sent, is ? [['SIGKILL']] : []);
    assert.equal(worker.isKilled, is);
  });

test('no signal is for a worker that has ended meanwhile, or for the next one in its slot', () => {
  const { signals, workers, sent, worker } = open();
  for (const [slot, pid] of [
    [2, 101],
    [1, 100],
  ] as const) {
    signals.timeOut(slot, pid, 70n);
    signals.killRequest(slot, pid, 70n);
    signals.killLiar(slot, pid);
  }
  workers.remove(worker);
  signals.killRequest(2, 100, 70n);
  assert.deepEqual(sent, []);
  assert.equal(worker.isLiar, false);
});

test('a slot that cannot be read has no request to kill', () => {
  const { signals, sent } = open({ glance: undefined });
  signals.killRequest(2, 100, 70n);
  assert.deepEqual(sent, []);
});

test('a request that is to end goes along with its signal, and does not count as killed', () => {
  const { signals, sent, worker } = open();
  signals.timeOut(2, 100, 70n);
  assert.deepEqual(sent, [[TIME_OUT_SIGNAL, 70n]]);
  assert.equal(worker.isKilled, false);
});

test('a liar is killed and remembered as one', () => {
  const { signals, sent, worker } = open();
  signals.killLiar(2, 100);
  assert.deepEqual(sent, [['SIGKILL']]);
  assert.equal(worker.isLiar && worker.isKilled, true);
});

test('a worker that does not leave is killed, and the log says why; one that has ended is not', () => {
  const { signals, sent, logged, worker } = open();
  signals.killLeaver(worker, 'says nothing of itself');
  assert.deepEqual(sent, [['SIGKILL']]);
  assert.deepEqual(logged, ['notice [pool www] child 100 says nothing of itself, killing it']);
  const ended = open({ hasEnded: true });
  ended.signals.killLeaver(ended.worker, 'says nothing of itself');
  assert.deepEqual([ended.sent, ended.logged], [[], []]);
  const unknown = fakeWorker({ slot: 1, pid: 101 });
  signals.killLeaver(unknown, 'says nothing of itself');
  assert.equal(logged.length, 1);
});

test('a signal that the system refuses is logged', () => {
  const failure = new SystemError({
    syscall: 'kill',
    code: 'EPERM',
    errno: 1,
    reason: 'Operation not permitted',
  });
  const { signals, logged, worker } = open({ failure });
  signals.send(worker, 'SIGTERM');
  assert.match(
    logged[0] ?? '',
    /^error \[pool www\] child 100 cannot be signalled: Operation not permitted$/,
  );
});
