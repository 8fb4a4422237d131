import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PoolConfig } from '../../../src/config/config.js';
import { createMasterLog } from '../../../src/log/master-log.js';
import type { SlotGlance, SlotSnapshot } from '../../../src/scoreboard/scoreboard.js';
import { CannotTrace } from '../../../src/slowlog/tracer.js';
import { RequestWatch, type WatchParts } from '../../../src/watch/request-watch.js';
import { sleep, until } from '../../helpers/wait.js';

const TRACE = {
  backtrace: {
    frames: [{ address: 1, name: 'usleep', calledFrom: { file: '/a.php', line: 2 } }],
    running: undefined,
    isCut: false,
  },
  stoppedMs: 0,
};
const PARAMS = Buffer.from('\x0e\x03REQUEST_METHODGET', 'latin1');

interface Case {
  readonly pool?: object;
  readonly trace?: WatchParts['trace'];
}

/** A watch over one worker, whose slot says what the test wants. */
function watched(t: TestContext, { pool = {}, trace = async () => TRACE }: Case) {
  const acts: string[] = [];
  let lines = '';
  const state = {
    glance: undefined as SlotGlance | undefined,
    pid: 7,
    acts,
    get log() {
      return lines;
    },
    /** A request that began so long ago. */
    begin(agoMs: number, stage: SlotGlance['stage'] = 'executing') {
      const nowNs = process.hrtime.bigint();
      const requestStartNs = nowNs - BigInt(agoMs) * 1_000_000n;
      state.glance = { stage, requestStartNs, idleSinceNs: requestStartNs - 1000n };
      return requestStartNs;
    },
  };
  const watch = new RequestWatch({
    pool: {
      name: 'www',
      requestSlowlogTimeout: 0,
      requestSlowlogTraceDepth: 20,
      requestTerminateTimeout: 0,
      requestTerminateTimeoutTrackFinished: false,
      ...pool,
    } as unknown as PoolConfig,
    log: createMasterLog({
      level: 'notice',
      format: 'fpm',
      limit: 1024,
      sink: { write: ({ line }: { line: Buffer }) => (lines += line.toString()), close: () => {} } as never,
    }),
    workers: () => [{ slot: 0, pid: state.pid }],
    glance: () => state.glance,
    snapshot: () => ({ params: PARAMS }) as SlotSnapshot,
    trace,
    timeOut: (slot, pid, startNs) => acts.push(`time out ${slot} ${pid} ${startNs}`),
    kill: (slot, pid, startNs) => acts.push(`kill ${slot} ${pid} ${startNs}`),
    onSlow: () => acts.push('slow'),
  });
  t.after(() => watch.stop());
  watch.wake();
  return Object.assign(state, { watch });
}

test('each slow request is told once', async (t) => {
  const worker = watched(t, { pool: { requestSlowlogTimeout: 0.03 } });
  worker.begin(0);
  await until('it is slow', () => worker.acts.length > 0);
  await sleep(150);
  assert.deepEqual(worker.acts, ['slow']);
  assert.match(
    worker.log,
    /child 7, script '' \(request: "GET "\) executing too slow \(0\.\d{6} sec\), logging\n/,
  );
  worker.begin(0);
  await until('the next one, too', () => worker.acts.length === 2);
});

test('a slot that tells of another slow request at each look makes no more of them than a worker can have', async (t) => {
  const worker = watched(t, { pool: { requestSlowlogTimeout: 0.2 } });
  const fromMs = performance.now();
  const liar = setInterval(() => worker.begin(60_000 + Math.round(1000 * Math.random())), 3);
  t.after(() => clearInterval(liar));
  await until('it is slow', () => worker.acts.length >= 4);
  // The first claim is believed.
  assert.ok(performance.now() - fromMs > 600, `${worker.acts.length} in ${performance.now() - fromMs} ms`);
});

test('only a running script is slow', async (t) => {
  const worker = watched(t, { pool: { requestSlowlogTimeout: 0.02 } });
  for (const stage of ['reading headers', 'info', 'finished', 'waiting', 'accepting', 'starting'] as const) {
    worker.begin(5000, stage);
    await sleep(70);
  }
  worker.begin(5000);
  worker.glance = { ...(worker.glance as SlotGlance), idleSinceNs: process.hrtime.bigint() };
  await sleep(70);
  assert.deepEqual(worker.acts, [], 'a connection without a byte shows the request before it');
});

test('a request is ended, and its worker killed a second later if it still has it', async (t) => {
  const worker = watched(t, { pool: { requestTerminateTimeout: 0.03 } });
  const startNs = worker.begin(40, 'info');
  await until('it is ended', () => worker.acts.length > 0);
  const toldMs = performance.now();
  assert.ok(worker.watch.hasTimedOut(0, 7));
  assert.ok(!worker.watch.hasTimedOut(0, 8));
  await until('and killed', () => worker.acts.length > 1);
  assert.ok(performance.now() - toldMs > 900);
  await sleep(100);
  assert.deepEqual(worker.acts, [`time out 0 7 ${startNs}`, `kill 0 7 ${startNs}`]);
  assert.match(worker.log, /WARNING: \[pool www\] child 7 was at: usleep\(\) \/a\.php:2\n/);
});

test('who goes on with the next request is left alone', async (t) => {
  const worker = watched(t, { pool: { requestTerminateTimeout: 0.5 } });
  worker.begin(600);
  await until('it is ended', () => worker.acts.length > 0);
  const timer = setInterval(() => worker.begin(0), 20);
  t.after(() => clearInterval(timer));
  worker.begin(0);
  await sleep(1200);
  assert.equal(worker.acts.length, 1);
  assert.ok(!worker.watch.hasTimedOut(0, 7), 'if it dies now, it is of something else');
});

test('a request that ends while its backtrace is read is not ended', async (t) => {
  let worker: ReturnType<typeof watched>;
  worker = watched(t, {
    pool: { requestTerminateTimeout: 0.03 },
    trace: async () => {
      worker.begin(0, 'accepting');
      return TRACE;
    },
  });
  worker.begin(40);
  await until('the trace is over', () => worker.log.includes('finished trace'));
  await sleep(100);
  assert.deepEqual(worker.acts, []);
});

test('without a backtrace a request is ended all the same, and the slow log says so', async (t) => {
  const folder = mkdtempSync('/tmp/tsfpm-test-watch-');
  t.after(() => rmSync(folder, { recursive: true }));
  const slowlog = join(folder, 'slow.log');
  const worker = watched(t, {
    pool: { requestTerminateTimeout: 0.03, slowlog },
    trace: async () => {
      throw new CannotTrace('no reason');
    },
  });
  worker.begin(40);
  await until('it is ended', () => worker.acts.length > 0);
  assert.match(worker.log, /NOTICE: no backtrace of child 7: no reason\n/);
  const entry = await until('the entry is written', () => {
    try {
      return readFileSync(slowlog, 'utf8');
    } catch {
      return undefined;
    }
  });
  assert.match(entry, /pid 7\nscript_filename = \nrequest = "GET " \d\.\d{6} sec\n\+\+\+ dump failed\n$/);
});

test("a slow log that cannot be opened is an error in php-fpm's words", async (t) => {
  const worker = watched(t, { pool: { requestSlowlogTimeout: 0.02, slowlog: '/nowhere/slow.log' } });
  worker.begin(30);
  await until('it is told', () => worker.log.includes('ERROR'));
  assert.match(
    worker.log,
    /ERROR: unable to open slowlog \(\/nowhere\/slow\.log\): No such file or directory \(2\)\n/,
  );
});

test('track_finished counts what goes on after the answer', async (t) => {
  const worker = watched(t, {
    pool: { requestTerminateTimeout: 0.03, requestTerminateTimeoutTrackFinished: true },
  });
  worker.begin(40, 'finished');
  await until('it is ended', () => worker.acts.length > 0);
});

test('a worker that lies about the time harms itself alone', async (t) => {
  const worker = watched(t, { pool: { requestTerminateTimeout: 0.03 } });
  for (const requestStartNs of [0n, 1n, 2n ** 64n - 1n]) {
    worker.glance = { stage: 'executing', requestStartNs, idleSinceNs: 0n };
    await sleep(80);
  }
  assert.deepEqual(worker.acts, ['time out 0 7 0', 'time out 0 7 1']);
});

test('a generation that ends while a backtrace is read takes its scoreboard along', async (t) => {
  let worker: ReturnType<typeof watched>;
  worker = watched(t, {
    pool: { requestTerminateTimeout: 0.03, requestSlowlogTimeout: 0.02 },
    trace: async () => {
      worker.watch.stop();
      Object.defineProperty(worker, 'glance', {
        get: () => {
          throw new Error('EBADF');
        },
      });
      return TRACE;
    },
  });
  worker.begin(40);
  await until('the trace is over', () => worker.log.includes('finished trace'));
  await sleep(50);
  assert.deepEqual(worker.acts, ['slow']);
});

test('what goes wrong unforeseen is told, and the request is ended all the same', async (t) => {
  const worker = watched(t, {
    pool: { requestTerminateTimeout: 0.03 },
    trace: async () => {
      throw new TypeError('a mistake');
    },
  });
  worker.begin(40);
  await until('it is ended', () => worker.acts.length === 1);
  assert.match(worker.log, /ERROR: no backtrace of child 7: a mistake/);
});
