import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Probe } from '../../../src/pool/probe.js';
import { WorkerTable } from '../../../src/pool/worker-table.js';
import { fakeWorker } from './workers.js';

type Answer = (failure?: string) => void;

/** A probe whose processes are played by the test. */
function open() {
  const workers = new WorkerTable(1);
  const acts: string[] = [];
  let answer: Answer = () => {};
  const probe = new Probe({
    workers,
    fork: (slot) => void acts.push(`fork ${slot}`),
    kill: (worker) => {
      worker.isKilled = true;
      acts.push(`kill ${worker.pid}`);
    },
    ask: (path) => {
      acts.push(`ask ${path}`);
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
  });
  const standIn = { path: '/s', remove: () => void acts.push('remove') };
  return {
    workers,
    acts,
    probe,
    run: () => probe.run(0, standIn),
    answer: (failure?: string) => answer(failure),
  };
}

test('a probe that answers is killed, and the proof is whole once it has ended', async () => {
  const { workers, acts, probe, run, answer } = open();
  let outcome: string | undefined = 'pending';
  const done = run().then((failure) => {
    outcome = failure;
  });
  const worker = fakeWorker({ slot: 0, pid: 100, isProbe: true });
  workers.add(worker);
  answer();
  await setImmediate();
  assert.equal(outcome, 'pending');
  workers.remove(worker);
  probe.fail('it exited on signal 9');
  await done;
  assert.equal(outcome, undefined);
  assert.deepEqual(acts, ['fork 0', 'ask /s', 'remove', 'kill 100']);
});

test('an answer may come before the report of the fork: the probe is killed when that is here', async () => {
  const { workers, acts, probe, run, answer } = open();
  const done = run();
  answer();
  await setImmediate();
  assert.deepEqual(acts, ['fork 0', 'ask /s', 'remove']);
  const worker = fakeWorker({ slot: 0, pid: 100, isProbe: true });
  workers.add(worker);
  probe.onForked();
  assert.equal(acts.at(-1), 'kill 100');
  workers.remove(worker);
  probe.fail('it exited on signal 9');
  assert.equal(await done, undefined);
});

test('a probe that could not be forked, or has ended, is why it does not answer', async () => {
  const { workers, probe, run } = open();
  probe.fail('nobody asks'); // without effect
  const done = run();
  workers.failFork(0);
  probe.fail('fork: Resource temporarily unavailable (11)');
  assert.equal(await done, 'fork: Resource temporarily unavailable (11)');
});

test('a wrong answer is told', async () => {
  const { workers, run, answer } = open();
  const done = run();
  workers.dropForks();
  answer('it closed the connection without an answer');
  assert.equal(await done, 'it closed the connection without an answer');
});

test('a probe that does not end is waited for no longer than two seconds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { workers, run, answer } = open();
  const done = run();
  workers.add(fakeWorker({ slot: 0, pid: 100, isProbe: true }));
  answer();
  await setImmediate();
  t.mock.timers.tick(2000);
  assert.equal(await done, undefined);
  assert.notEqual(workers.probe, undefined);
});
