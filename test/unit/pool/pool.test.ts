import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ListenSockets } from '../../../src/listen/listen-sockets.js';
import { Arrivals } from '../../../src/os/arrivals.js';
import type { ExitStatus } from '../../../src/os/process.js';
import { Pool, type PoolParts } from '../../../src/pool/pool.js';
import { ProcessBudget } from '../../../src/pool/process-budget.js';
import { HEADER_FIELDS } from '../../../src/scoreboard/layout.js';
import { poolAccount } from '../../../src/zygote/identity.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { requestBytes } from '../../helpers/request-bytes.js';
import { configOf } from '../config/memory-disk.js';
import { type FakeGeneration, FakeGenerations, fakeTools, settle } from './fake-generations.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-pool-'));
after(() => rmSync(folder, { recursive: true }));

const IN_ORDER: ExitStatus = { kind: 'exited', code: 0 };
const FAILED: ExitStatus = { kind: 'exited', code: 70 };
const SIGSEGV: ExitStatus = { kind: 'signaled', signal: 11, isCoreDumped: false };

/** One pool of three workers on a real socket, with generations that are none and a clock that the test moves. */
function scene(
  t: TestContext,
  settings = 'pm = static\npm.max_children = 3',
  parts: Partial<PoolParts> = {},
) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const log = new FakeLog();
  const clock = { nowMs: 1_000_000 };
  const path = join(folder, t.name.replace(/\W+/g, '-').slice(0, 40));
  const [config] = configOf(`[www]\nlisten = ${path}\n${settings}\n`, { isRoot: false }).pools;
  assert.ok(config);
  const sockets = new ListenSockets(log);
  const { fd } = sockets.bind({ pool: 'www', listen: path, backlog: 16, mode: 0o600 });
  const arrivals = new Arrivals();
  const source = new FakeGenerations();
  const pool: Pool = new Pool(
    {
      config,
      account: poolAccount(config, { isRoot: false, allowRoot: false }),
      listenFd: fd,
      php: { ini: undefined, noIni: false, defines: [], profileInfo: false },
      environment: {},
      logLevel: 'notice',
      emergency: { threshold: 0, intervalS: 0 },
      drainBoundMs: 0,
      arrivals,
      budget: new ProcessBudget(0, () => 0),
      answer: () => Buffer.from('an answer'),
      onWorkerLeft: () => {},
      ...parts,
    },
    fakeTools(log, () => clock.nowMs),
    source,
  );
  t.after(async () => {
    pool.killWorkers();
    for (const generation of source.made) generation.killWorkers();
    await pool.ended;
    await arrivals.close();
    sockets.closeAll();
  });
  /** Lets time pass. */
  const pass = async (ms: number) => {
    clock.nowMs += ms;
    t.mock.timers.tick(ms);
    await settle();
  };
  const start = async () => {
    assert.equal(await pool.start(), undefined);
    pool.run();
    source.last.allReady();
    return source.last;
  };
  return { pool, source, log, pass, start, path };
}

test('a static pool is filled, and a worker that ends in order is replaced at once', async (t) => {
  let left = 0;
  const { pool, start } = scene(t, undefined, { onWorkerLeft: () => left++ });
  const generation = await start();
  assert.deepEqual(generation.pids, [101, 102, 103]);
  assert.equal(pool.trouble, undefined);
  generation.endOne(IN_ORDER, { accepted: 500, ageMs: 60_000 });
  assert.deepEqual(generation.pids, [102, 103, 104]);
  assert.equal(left, 1);
  assert.equal(pool.history.forks, 4);
});

test('workers that end as soon as they start are started ever later, and the pool says so', async (t) => {
  const { pool, log, pass, start } = scene(t);
  const generation = await start();
  generation.endOne(FAILED);
  assert.equal(generation.workerCount, 3, 'the first failure may be an accident');
  generation.endOne(FAILED);
  assert.equal(generation.workerCount, 2);
  assert.equal(pool.trouble, 'its workers end as soon as they start');
  await pass(74);
  assert.equal(generation.workerCount, 2);
  await pass(51); // 100 ms, and a quarter more at most
  assert.equal(generation.workerCount, 3);
  assert.equal(pool.trouble, 'its workers end as soon as they start', 'it is too young to be trusted');
  await pass(1000);
  assert.equal(pool.trouble, undefined);
  for (let i = 0; i < 4; i++) {
    generation.endOne(FAILED);
    if (i < 3) await pass(60_000);
  }
  assert.match(
    log.lines.at(-1) ?? '',
    /children end as soon as they start \(6 in a row\); starting the next in \d\.\d s$/,
  );
});

test("a zygote that is lost is replaced at once, then later, and its workers are not the pool's any more", async (t) => {
  const { pool, source, log, pass, start } = scene(t);
  const first = await start();
  source.startFailure = () => 'php-cgi is broken';
  first.loseZygote('zygote 5 exited with code 1');
  assert.equal(pool.workerCount, 0);
  assert.equal(pool.drainingCount, 3);
  assert.equal(pool.trouble, 'its zygote cannot be started');
  await pass(0);
  await pass(1999);
  assert.equal(source.made.length, 2);
  source.startFailure = () => undefined;
  await pass(1);
  assert.equal(source.made.length, 3);
  assert.equal(pool.workerCount, 3);
  assert.equal(pool.trouble, undefined);
  assert.deepEqual(
    log.lines.filter((line) => line.includes('starting another')),
    [
      '[pool www] zygote 5 exited with code 1; starting another',
      '[pool www] php-cgi is broken; starting another in 2 s',
    ],
  );
});

test('the old generation drains once a worker of the new one is ready', async (t) => {
  const { pool, source, start } = scene(t);
  const old = await start();
  const prepared = await pool.prepare(pool.plan);
  assert.ok(typeof prepared !== 'string');
  assert.equal(source.last.order.isToProve, true);
  assert.equal(pool.generation?.plan.number, 1, 'the old one serves until the commit');
  let isDone = false;
  const committed = prepared.commit().then(() => {
    isDone = true;
  });
  await settle();
  assert.equal(pool.workerCount, 3);
  assert.ok(!old.isDraining && !isDone);
  source.last.allReady();
  await committed;
  assert.ok(old.isDraining);
  assert.equal(pool.generation?.plan.number, 2);
  assert.equal(pool.drainingCount, 3);
});

test('workers that are replaced may take as long as process_control_timeout', async (t) => {
  const { pool, source, log, pass, start } = scene(t, undefined, { drainBoundMs: 5000 });
  const old = await start();
  const prepared = await pool.prepare(pool.plan);
  assert.ok(typeof prepared !== 'string');
  const committed = prepared.commit();
  source.last.allReady();
  await committed;
  await pass(4999);
  assert.equal(old.workerCount, 3);
  await pass(1);
  assert.equal(old.workerCount, 0);
  assert.ok(
    log.lines.includes('[pool www] 3 child(ren) of the old generation still busy after 5 s; killing them'),
  );
  assert.equal(pool.workerCount, 3);
});

test('a generation that does not prove itself is drained, and the present one serves on', async (t) => {
  const { pool, source, start } = scene(t);
  const old = await start();
  source.proof = () => 'its first worker does not answer';
  assert.equal(await pool.prepare(pool.plan), 'its first worker does not answer');
  assert.ok(source.last.isDraining && !old.isDraining);
  assert.deepEqual(pool.generations().length, 1);
});

test('a generation that ends between its proof and the commit leaves the present one in place', async (t) => {
  const { pool, source, log, start } = scene(t);
  const old = await start();
  const prepared = await pool.prepare(pool.plan);
  assert.ok(typeof prepared !== 'string');
  source.last.loseZygote('zygote 6 exited with code 1');
  await prepared.commit();
  assert.ok(!old.isDraining);
  assert.equal(pool.workerCount, 3);
  assert.deepEqual(
    log.lines.at(-1),
    '[pool www] the new generation has ended before it served; the old one stays',
  );
});

test('nothing is forked for a dead socket; once it is mended the pool is filled', async (t) => {
  const { pool, start } = scene(t);
  const generation = await start();
  pool.setDeadSocket(true);
  generation.endOne(IN_ORDER);
  generation.endOne(IN_ORDER);
  assert.equal(generation.workerCount, 1);
  assert.equal(pool.trouble, 'its listening socket was shut down');
  pool.setDeadSocket(false);
  assert.equal(generation.workerCount, 3);
  assert.equal(pool.trouble, undefined);
});

test('as many crashes as the threshold renew the pool once', async (t) => {
  const { pool, source, log, start } = scene(t, undefined, { emergency: { threshold: 2, intervalS: 10 } });
  const old = await start();
  old.endOne(SIGSEGV, { accepted: 1, ageMs: 5000 });
  assert.equal(source.made.length, 1);
  old.endOne(SIGSEGV, { accepted: 1, ageMs: 5000 });
  old.endOne(SIGSEGV, { accepted: 1, ageMs: 5000 });
  old.endOne(SIGSEGV, { accepted: 1, ageMs: 5000 });
  await settle();
  source.last.allReady();
  await settle();
  assert.equal(source.made.length, 2);
  assert.ok(old.isDraining);
  assert.equal(pool.generation?.plan.number, 2);
  assert.deepEqual(
    log.lines.filter((line) => line.startsWith('failed processes')),
    ['failed processes threshold (2 in 10 sec) is reached, initiating reload of pool www'],
  );
});

test('a stop while a zygote starts ends the pool, and nothing is started after it', async (t) => {
  const { pool, source, pass, start } = scene(t);
  const first = await start();
  first.loseZygote('zygote 5 exited with code 1');
  t.mock.timers.tick(0);
  pool.drain();
  assert.equal(await pool.prepare(pool.plan), 'it is being stopped');
  first.finish();
  await pool.ended;
  await pass(60_000);
  assert.equal(source.made.length, 2);
  assert.equal(pool.trouble, 'ended');
});

test('a stop while a worker of the new generation is waited for ends the wait', async (t) => {
  const { pool, source, start } = scene(t);
  await start();
  const prepared = await pool.prepare(pool.plan);
  assert.ok(typeof prepared !== 'string');
  const committed = prepared.commit();
  pool.drain();
  await committed;
  for (const generation of source.made) generation.finish();
  await pool.ended;
});

test('an ondemand pool starts its zygote with its first client', async (t) => {
  const { pool, source, path } = scene(t, 'pm = ondemand\npm.max_children = 3');
  source.refusals.set('www', 'php-cgi is missing');
  assert.equal(await pool.start(), 'php-cgi is missing');
  source.refusals.clear();
  assert.equal(await pool.start(), undefined);
  assert.equal(source.made.length, 0);
  const client = connect(path);
  await new Promise((resolve) => client.once('connect', resolve));
  pool.run();
  await settle();
  assert.equal(source.made.length, 1);
  assert.equal(pool.workerCount, 1);
  client.destroy();
});

/** Has become one of `pm = ondemand`, with a zygote and without a worker. */
async function emptyPool(t: TestContext) {
  const made = scene(t);
  const { pool, source, start } = made;
  const old = await start();
  const config = { ...pool.config, pm: 'ondemand' as const, pmZygoteIdleTimeout: 60 };
  const prepared = await pool.prepare({ ...pool.plan, config });
  assert.ok(typeof prepared !== 'string');
  await prepared.commit();
  old.finish();
  return { ...made, zygote: source.last };
}

/** As the zygote does when a worker has ended. */
function countRequests({ scoreboard }: FakeGeneration, count: number): void {
  const bytes = Buffer.from(BigUint64Array.of(BigInt(count)).buffer);
  writeSync(scoreboard.fd, bytes, 0, bytes.length, HEADER_FIELDS.past_accepted.offset);
}

test('an ondemand pool without workers ends its zygote in time, and keeps what it has counted', async (t) => {
  const { pool, zygote, log, pass } = await emptyPool(t);
  countRequests(zygote, 5);
  await pass(59_999);
  assert.ok(!zygote.isDraining);
  await pass(1);
  assert.ok(zygote.isDraining);
  assert.equal(pool.generation, undefined);
  assert.equal(pool.generations().length, 0);
  assert.equal(pool.history.accepted, 5n);
  assert.equal(pool.trouble, undefined);
  assert.equal(log.lines.at(-1), '[pool www] zygote 99 ends after 60 seconds without a child');
});

test('after the end of its idle zygote an ondemand pool starts another with the next client', async (t) => {
  const { pool, source, zygote, path, pass } = await emptyPool(t);
  await pass(60_000);
  const client = connect(path);
  await new Promise((resolve) => client.once('connect', resolve));
  while (source.last === zygote) await setImmediate(); // a thread has seen the client
  await settle();
  assert.equal(pool.workerCount, 1);
  assert.equal(pool.generationNumber, 3);
  client.destroy();
});

test('that an idle zygote has ended is no trouble, whatever became of the one before', async (t) => {
  const { pool, source, zygote, pass } = await emptyPool(t);
  zygote.loseZygote('zygote 5 exited with code 1');
  await pass(0);
  assert.equal(source.made.length, 3);
  await pass(20_000);
  await pass(40_000);
  assert.equal(pool.generation, undefined);
  assert.equal(pool.trouble, undefined);
});

test('a pool that stops does not wait for the end of its idle zygote', async (t) => {
  const { pool, source, zygote, pass } = await emptyPool(t);
  await pass(30_000);
  pool.drain();
  await pool.ended;
  assert.ok(zygote.isDraining);
  await pass(60_000);
  assert.equal(source.made.length, 2);
});

test('a reload that is prepared while the idle zygote ends goes on with its new one', async (t) => {
  const { pool, source, pass } = await emptyPool(t);
  const prepared = await pool.prepare(pool.plan);
  assert.ok(typeof prepared !== 'string');
  await pass(60_000);
  assert.equal(pool.generation, undefined);
  await prepared.commit();
  assert.equal(source.made.length, 3);
  assert.equal(pool.generationNumber, 3);
  await pass(60_000);
  assert.equal(pool.generation, undefined);
});

test('what a worker asks is answered by the function that the pool was handed', async (t) => {
  const asked: unknown[] = [];
  const { pool, start } = scene(t, undefined, {
    answer: (question, of, generation) => {
      asked.push(question, of, generation);
      return Buffer.from('pong');
    },
  });
  const generation = await start();
  const question = { kind: 'ping', id: 1, isHead: false, text: Buffer.alloc(0) } as const;
  assert.equal(String(generation.ask(question)), 'pong');
  assert.deepEqual([asked[0], asked[1] === pool, asked[2] === pool.generation], [question, true, true]);
});

test('a client whom nobody serves gets 503 after queue.timeout, however often the pool is reloaded meanwhile', async (t) => {
  const { pool, log, source, pass, start, path } = scene(
    t,
    'pm = static\npm.max_children = 3\nqueue.timeout = 2s\nping.path = /ping',
  );
  await start();
  const answers = ['/x.php', '/ping'].map((script) => {
    const client = connect(path);
    t.after(() => client.destroy());
    client.write(requestBytes({ params: { SCRIPT_NAME: script } }));
    let answer = '';
    client.on('data', (chunk: Buffer) => {
      answer += chunk;
    });
    return () => answer;
  });
  for (let i = 0; i < 20; i++) await setImmediate(); // they are in the queue
  await pass(100);
  for (let i = 0; i < 3; i++) {
    await pass(600);
    const prepared = await pool.prepare(pool.plan);
    assert.ok(typeof prepared !== 'string');
    const done = prepared.commit();
    source.last.allReady();
    await done;
  }
  assert.deepEqual(pool.history.refused, { timeout: 0, max: 0 });
  await pass(600);
  for (let i = 0; i < 500 && answers.some((answer) => answer() === ''); i++) await setImmediate();
  const [refused, page] = answers.map((answer) => answer());
  assert.match(refused ?? '', /Status: 503 Service Unavailable\r\nRetry-After: 2\r\n/);
  assert.match(page ?? '', /an answer/);
  assert.deepEqual(pool.history.refused, { timeout: 1, max: 0 });
  assert.match(
    log.lines.join('\n'),
    /\[pool www\] overloaded: clients have waited for queue\.timeout \(2 s\)/,
  );
  for (let i = 0; i < 10; i++) await pass(300);
  assert.match(log.lines.at(-1) ?? '', /overloaded no more: in 1 s 1 client\(s\) got 503/);
});
