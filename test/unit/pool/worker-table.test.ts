import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../../src/errors.js';
import { endedWorker, WorkerTable } from '../../../src/pool/worker-table.js';
import { fakeProcess, fakeWorker } from './workers.js';

const MASTER = 50;

/** One whose workers have the pids 100, 101, ... in the slots 0, 1, ... */
function tableOf(slotCount: number, running: number): WorkerTable {
  const table = new WorkerTable(slotCount);
  for (let slot = 0; slot < running; slot++) {
    table.beginFork(slot, { isProbe: false });
    table.checkFork(slot, 100 + slot, MASTER);
    table.add(fakeWorker({ slot, pid: 100 + slot }));
  }
  return table;
}

test('a slot is taken from the request for a fork until the worker has ended', () => {
  const table = tableOf(2, 0);
  assert.equal(table.isEmpty, true);
  assert.equal(table.freeSlot(), 0);
  table.beginFork(0, { isProbe: false });
  assert.equal(table.freeSlot(), 1);
  table.beginFork(1, { isProbe: false });
  assert.equal(table.freeSlot(), undefined);
  const worker = fakeWorker({ slot: 0 });
  table.add(worker);
  table.failFork(1);
  assert.equal(table.freeSlot(), 1);
  table.remove(worker);
  assert.equal(table.freeSlot(), 0);
  assert.equal(table.isEmpty, true);
});

test('forks on their way count as workers, the probe does not', () => {
  const table = tableOf(4, 1);
  table.beginFork(1, { isProbe: false });
  table.beginFork(2, { isProbe: true });
  assert.equal(table.workerCount, 2);
  assert.equal(table.probe, 'forking');
  assert.deepEqual(table.checkFork(2, 102, MASTER), { isProbe: true });
  const probe = fakeWorker({ slot: 2, pid: 102, isProbe: true });
  table.add(probe);
  assert.equal(table.workerCount, 2);
  assert.equal(table.probe, probe);
  assert.deepEqual(
    table.known().map(({ pid }) => pid),
    [100],
  );
  assert.equal([...table.running()].length, 2);
  table.dropForks();
  assert.equal(table.workerCount, 1);
});

test('workers are known in the order of their slots, and nothing of them comes from the scoreboard', () => {
  const table = new WorkerTable(3);
  table.add(fakeWorker({ slot: 2, pid: 102, isReady: true }));
  table.add(fakeWorker({ slot: 0, pid: 100, process: fakeProcess(100).handle, leavesSinceNs: 1n }));
  const known = { startedAtMs: 0, isKilled: false, endReason: undefined };
  assert.deepEqual(table.known(), [
    { ...known, slot: 0, pid: 100, isHeld: true, isReady: false, isLeaving: true },
    { ...known, slot: 2, pid: 102, isHeld: false, isReady: true, isLeaving: false },
  ]);
});

// A worker is in slot 0, a fork on its way into slot 1.
const REPORTS: [report: string, act: (table: WorkerTable) => void, refusal: RegExp | undefined][] = [
  ['a fork that was asked for', (table) => table.checkFork(1, 101, MASTER), undefined],
  ['a fork into a free slot', (table) => table.checkFork(2, 101, MASTER), /slot 2 is not forking/],
  ['a fork into a slot with a worker', (table) => table.checkFork(0, 101, MASTER), /slot 0 is not forking/],
  ['a fork into a slot that there is not', (table) => table.checkFork(-1, 101, MASTER), /slot -1/],
  ['the pid of another worker', (table) => table.checkFork(1, 100, MASTER), /a worker with pid 100/],
  ['the pid of the master', (table) => table.checkFork(1, MASTER, MASTER), /a worker with pid 50/],
  ['the pid of init', (table) => table.checkFork(1, 1, MASTER), /a worker with pid 1$/],
  ['a process group', (table) => table.checkFork(1, -7, MASTER), /a worker with pid -7/],
  ['a failed fork', (table) => table.failFork(1), undefined],
  ['a failed fork that nobody asked for', (table) => table.failFork(2), /slot 2 is not forking/],
  ['something of a worker', (table) => table.expect(0, 100), undefined],
  ['something of a worker in another slot', (table) => table.expect(1, 100), /slot 1 does not hold pid 100/],
  ['something of a stranger', (table) => table.expect(0, 7), /slot 0 does not hold pid 7/],
];

for (const [report, act, refusal] of REPORTS)
  test(`a zygote reports ${report}: ${refusal === undefined ? 'accepted' : 'refused'}`, () => {
    const table = tableOf(3, 1);
    table.beginFork(1, { isProbe: false });
    if (refusal === undefined) assert.doesNotThrow(() => act(table));
    else
      assert.throws(
        () => act(table),
        (error) => error instanceof ProtocolError && refusal.test(error.message),
      );
  });

test('a worker that the kernel does not know has to be reported as ended before the echo', () => {
  const table = new WorkerTable(2);
  table.add(fakeWorker({ slot: 0, pid: 100 }));
  const unknown = fakeWorker({ slot: 1, pid: 101, endsBeforeEcho: 3 });
  table.add(unknown);
  table.checkEcho(2);
  assert.throws(() => table.checkEcho(3), /a worker with pid 101, which is no child of the zygote/);
  table.remove(unknown);
  table.checkEcho(3);
});

test('who is to leave: each since it was told, all others since all were, killed ones no more', () => {
  const table = tableOf(5, 4);
  const [first, second, third] = [...table.running()];
  assert.ok(first && second && third);
  const leavers = () => table.leavers().map(({ pid, sinceNs }) => [pid, sinceNs]);
  assert.deepEqual(leavers(), []);
  first.leavesSinceNs = 10n;
  assert.deepEqual(leavers(), [[100, 10n]]);
  assert.equal(table.areAllLeaving, false);
  table.letAllLeave(20n);
  table.letAllLeave(30n); // the first call counts
  third.isKilled = true;
  assert.deepEqual(leavers(), [
    [100, 10n],
    [101, 20n],
    [103, 20n],
  ]);
  // Its fork was on its way when all were told.
  table.add(fakeWorker({ slot: 4, pid: 104 }));
  assert.deepEqual(leavers().at(-1), [104, 20n]);
});

test('a worker is found by its pid, and in its slot only under that pid', () => {
  const table = tableOf(2, 2);
  assert.equal(table.withPid(101)?.slot, 1);
  assert.equal(table.withPid(7), undefined);
  assert.equal(table.find(1, 101)?.pid, 101);
  assert.equal(table.find(1, 100), undefined);
});

test('what is told of a worker that has ended', () => {
  const status = { kind: 'exited', code: 0 } as const;
  const end = { status, accepted: 9, nowMs: 5000, hasTimedOut: false };
  const worker = { slot: 3, pid: 103, startedAtMs: 2000 };
  const told = { slot: 3, pid: 103, status, accepted: 9, ageMs: 3000, endReason: undefined };
  const plain = { ...told, wasRetired: false, wasOverdue: false, wasTimedOut: false };
  assert.deepEqual(endedWorker(fakeWorker(worker), end), plain);
  assert.deepEqual(
    endedWorker(fakeWorker({ ...worker, leavesSinceNs: 1n, isOverdue: true, endReason: 'max_memory' }), end),
    { ...plain, wasRetired: true, wasOverdue: true, endReason: 'max_memory' },
  );
  // A worker that lied for longer than a request may take counts as one whose request timed out.
  assert.equal(endedWorker(fakeWorker({ isLiar: true }), end).wasTimedOut, true);
  assert.equal(endedWorker(fakeWorker(), { ...end, hasTimedOut: true }).wasTimedOut, true);
});
