import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { SystemError } from '../../../src/errors.js';
import { MASTER_SIGNALS } from '../../../src/lifecycle/transitions.js';
import { Fallback } from '../../../src/upgrade/fallback.js';
import { FakeLog } from '../../helpers/fake-log.js';

const REFUSED = new SystemError({
  code: 'ENOENT',
  errno: 2,
  syscall: 'execve',
  path: '/usr/bin/node',
  reason: 'No such file or directory',
});

/** A process whose upgraded program could not start, with what was done to the former one; its clock stands still. */
function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  t.after(() => {
    for (const signal of MASTER_SIGNALS) process.removeAllListeners(signal);
  });
  const done: string[] = [];
  const log = new FakeLog();
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const fallback = new Fallback({
    predecessor: {
      ended,
      startAgain: () => {
        done.push('start again');
        return REFUSED;
      },
      drain: () => done.push('drain'),
      killWorkers: () => done.push('kill workers'),
      killZygotes: () => done.push('kill zygotes'),
      close: () => done.push('close'),
    },
    log,
    accessLogs: {
      close: async () => {
        done.push('close access logs');
      },
    },
    notify: undefined,
  });
  return { fallback, code: fallback.serve(), done, log, end };
}

test('the start is tried every ten seconds and when asked for, and the service goes on', (t) => {
  const { fallback, done, log } = start(t);
  assert.match(log.lines[0] ?? '', /could not start; .* serve on\. Trying again in 10 s, and at SIGUSR2$/);
  t.mock.timers.tick(9999);
  assert.deepEqual(done, []);
  t.mock.timers.tick(1);
  fallback.onSignal('SIGUSR2');
  fallback.onSignal('SIGHUP');
  fallback.onSignal('SIGUSR1');
  assert.deepEqual(done, ['start again', 'start again', 'start again']);
  assert.equal(
    log.lines.at(-1),
    "execve '/usr/bin/node': No such file or directory (2); the workers of the program before serve on",
  );
});

for (const signal of ['SIGTERM', 'SIGQUIT'] as const)
  test(`${signal} lets requests end, and no start is tried any more`, async (t) => {
    const { fallback, code, done, log, end } = start(t);
    fallback.onSignal(signal);
    fallback.onSignal('SIGQUIT');
    fallback.onSignal('SIGUSR2');
    t.mock.timers.tick(60_000);
    assert.deepEqual(done, ['drain']);
    end();
    assert.equal(await code, 0);
    assert.deepEqual(done, ['drain', 'close', 'close access logs']);
    assert.deepEqual(log.lines.slice(1), ['Finishing ...', 'exiting, bye-bye!']);
  });

for (const signals of [['SIGINT'], ['SIGTERM', 'SIGTERM'], ['SIGQUIT', 'SIGINT', 'SIGINT']] as const)
  test(`${signals.join(' and ')} cuts requests off, and zygotes that do not answer`, async (t) => {
    const { fallback, code, done, end } = start(t);
    for (const signal of signals) fallback.onSignal(signal);
    const stops = signals[0] === 'SIGINT' ? ['kill workers'] : ['drain', 'kill workers'];
    assert.deepEqual(done, stops);
    t.mock.timers.tick(2000);
    assert.deepEqual(done, [...stops, 'kill zygotes']);
    end();
    assert.equal(await code, 0);
  });

test('when the former workers end by themselves, so does the process, with the code of a fault', async (t) => {
  const { code, done, end } = start(t);
  end();
  assert.equal(await code, 70);
  t.mock.timers.tick(60_000);
  assert.deepEqual(done, ['close', 'close access logs']);
});

test('signals come here, and no longer to a master that has given up', (t) => {
  let toMaster = 0;
  process.on('SIGUSR2', () => toMaster++);
  const { done } = start(t);
  process.emit('SIGUSR2');
  assert.deepEqual([toMaster, done], [0, ['start again']]);
});
