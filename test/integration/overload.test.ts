import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { LoadResult } from '../bench/load-generator.js';
import { buildLoadGenerator, runLoad } from '../bench/load-generator.js';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, type DaemonResponse, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { FastcgiConnection } from '../helpers/fastcgi-client.js';
import { reload } from '../helpers/reload.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { SLEEP_PHP } from '../helpers/scaling-pools.js';
import { readAnswer, statusJson, statusRequest } from '../helpers/status-page.js';
import {
  freePort,
  getParams,
  openConnection,
  postParams,
  SOCKET_KINDS,
  type SocketKind,
} from '../helpers/two-pools.js';
import { sleep, until } from '../helpers/wait.js';

const BEGINS = /WARNING: \[pool \w+\] overloaded: /;
const ENDS =
  /NOTICE: \[pool (\w+)\] overloaded no more: in \d+ s (\d+) client\(s\) got 503 Service Unavailable, (\d+) had/;

/** Of a body of one byte: two records, the second empty. */
const BODY_BYTES = 8 + 1 + 8;

const FILES = {
  'sleep.php': SLEEP_PHP,
  'hold.php': `<?php echo strlen(file_get_contents('php://input'));`,
  'mark.php': `<?php touch(__DIR__ . '/../marks/' . $_GET['name']); echo 'marked';`,
};

/** A pool on each kind of socket, of one worker each. */
async function startPools(t: TestContext, settings: Settings): Promise<Daemon> {
  const common: Settings = {
    'pm.max_children': 1,
    'pm.status_listen': '{folder}/$pool.status',
    'ping.path': '/ping',
    'pm.status_path': '/status',
    ...settings,
  };
  const tsfpm = await startTsfpm(t, {
    pools: {
      unix: common,
      tcp: { ...common, listen: `127.0.0.1:${await freePort()}` },
    },
    files: FILES,
  });
  tsfpm.announce(BEGINS);
  return tsfpm;
}

/**
 * The pool's worker is busy from now on.
 *
 * @returns what lets it go on, once its client has the answer
 */
async function occupy(t: TestContext, tsfpm: Daemon, pool: string): Promise<() => Promise<void>> {
  const client = await openConnection(t, tsfpm.address(pool));
  const request = requestBytes({ params: postParams(tsfpm, 'hold.php', 1), body: Buffer.from('x') });
  client.send(request.subarray(0, -BODY_BYTES));
  await untilStatus(tsfpm, pool, { active: 1, queue: 0 });
  return async () => {
    client.send(request.subarray(-BODY_BYTES));
    assert.match((await readAnswer(client)).stdout.toString(), /\r\n\r\n1$/);
  };
}

/** At the same time, each with its own pool. */
async function onEachSocket(act: (pool: SocketKind) => Promise<void>): Promise<void> {
  await Promise.all(SOCKET_KINDS.map(act));
}

interface TimedResponse extends DaemonResponse {
  readonly tookMs: number;
  readonly endedAtMs: number;
}

async function timed(
  tsfpm: Daemon,
  pool: string,
  script = 'sleep.php',
  query = 'ms=1',
): Promise<TimedResponse> {
  const from = performance.now();
  const response = await tsfpm.request(script, { pool, params: { QUERY_STRING: query } });
  const endedAtMs = performance.now();
  return { ...response, tookMs: endedAtMs - from, endedAtMs };
}

/** From the status page that the master answers by itself. */
async function untilStatus(
  tsfpm: Daemon,
  pool: string,
  expected: { active?: number; queue: number },
): Promise<void> {
  await until(`${expected.queue} wait`, async () => {
    const page = await statusJson(tsfpm, { address: tsfpm.folder.at(`${pool}.status`) });
    return (
      page['listen queue'] === expected.queue &&
      (expected.active ?? page['active processes']) === page['active processes']
    );
  });
}

/** What `tsfpm status` counts. */
async function assertCounts(tsfpm: Daemon, pool: string, expected: [refused: number, gone: number]) {
  const { out } = await tsfpmCommand(tsfpm, 'status', '--json');
  const { pools } = JSON.parse(out) as { pools: { name: string; refused: number; gone: number }[] };
  const found = pools.find(({ name }) => name === pool);
  assert.deepEqual([found?.refused, found?.gone], expected);
}

test('who has waited for queue.timeout gets 503 with Retry-After, the oldest first, and the others are served', async (t) => {
  const tsfpm = await startPools(t, { 'queue.timeout': '1s' });
  await onEachSocket(async (pool) => {
    const release = await occupy(t, tsfpm, pool);
    const first = timed(tsfpm, pool);
    await sleep(200);
    const second = timed(tsfpm, pool);
    const refused = await Promise.all([first, second]);
    const third = timed(tsfpm, pool);
    await untilStatus(tsfpm, pool, { queue: 1 });
    await release();
    assert.equal((await third).status, 200);
    for (const { status: code, headers, text, endRequest, tookMs } of refused) {
      assert.equal(code, 503);
      assert.equal(headers.get('retry-after'), '1');
      assert.match(text, /^503 Service Unavailable/);
      assert.deepEqual(endRequest, { appStatus: 0, protocolStatus: 0 });
      assert.ok(tookMs >= 1000, `after ${tookMs} ms`);
    }
    assert.ok((refused[0]?.endedAtMs ?? 0) <= (refused[1]?.endedAtMs ?? 0));
    await assertCounts(tsfpm, pool, [2, 0]);
  });
  for (let i = 0; i < 2; i++) assert.deepEqual((await tsfpm.expectLog(ENDS)).slice(2), ['2', '0']);
  assert.equal(tsfpm.log.lines.filter((line) => BEGINS.test(line)).length, 2, 'told once an episode');
});

test('a client that has left the queue is dropped without running its script, by workers and by the master', async (t) => {
  const tsfpm = await startPools(t, { 'queue.timeout': '1s' });
  const leave = async (pool: string, name: string) => {
    const client = await FastcgiConnection.open(tsfpm.address(pool));
    client.send(requestBytes({ params: getParams(tsfpm, 'mark.php', `name=${pool}-${name}`) }));
    await untilStatus(tsfpm, pool, { queue: 1 });
    client.close();
  };
  await onEachSocket(async (pool) => {
    const release = await occupy(t, tsfpm, pool);
    await leave(pool, 'worker');
    const next = timed(tsfpm, pool, 'mark.php', `name=${pool}-next`);
    await untilStatus(tsfpm, pool, { queue: 2 });
    await release();
    assert.equal((await next).text, 'marked');
    await assertCounts(tsfpm, pool, [0, 1]);

    const releaseAgain = await occupy(t, tsfpm, pool);
    await leave(pool, 'master');
    assert.equal((await timed(tsfpm, pool)).status, 503);
    await releaseAgain();
    await assertCounts(tsfpm, pool, [1, 2]);

    const hasRun = (name: string) => existsSync(tsfpm.folder.at(`marks/${pool}-${name}`));
    assert.deepEqual(['worker', 'next', 'master'].map(hasRun), [false, true, false]);
  });
});

test('of more clients than queue.max the oldest get 503, soon', async (t) => {
  const tsfpm = await startPools(t, { 'queue.max': 2 });
  await onEachSocket(async (pool) => {
    const release = await occupy(t, tsfpm, pool);
    const clients: Promise<TimedResponse>[] = [];
    for (let i = 0; i < 5; i++) {
      clients.push(timed(tsfpm, pool));
      await sleep(10);
    }
    const oldest = await Promise.all(clients.slice(0, 3));
    await untilStatus(tsfpm, pool, { queue: 2 });
    await release();
    const served = await Promise.all(clients.slice(3));
    assert.deepEqual(
      [...oldest, ...served].map(({ status: code }) => code),
      [503, 503, 503, 200, 200],
    );
    assert.equal(oldest[0]?.headers.get('retry-after'), '5');
    await assertCounts(tsfpm, pool, [3, 0]);
  });
});

test('ping and status answer under overload, also on the socket of the pool', async (t) => {
  const tsfpm = await startPools(t, { 'queue.timeout': '500ms' });
  const release = await occupy(t, tsfpm, 'unix');
  const crowd = Array.from({ length: 60 }, () => timed(tsfpm, 'unix'));
  await untilStatus(tsfpm, 'unix', { queue: 60 });
  const ping = await statusRequest(tsfpm, { path: '/ping' });
  assert.deepEqual([ping.status, ping.text], [200, 'pong']);
  assert.equal((await statusJson(tsfpm))['active processes'], 1);
  assert.ok((await Promise.all(crowd)).every((answer) => answer.status === 503));
  await release();
});

test('clients that send nothing, half a head or a long body keep nobody from an answer', async (t) => {
  const tsfpm = await startPools(t, { 'queue.timeout': '300ms', 'listen.backlog': 1000 });
  await onEachSocket(async (pool) => {
    const release = await occupy(t, tsfpm, pool);
    const head = requestBytes({ params: getParams(tsfpm, 'sleep.php', 'ms=1') });
    for (let i = 0; i < 400; i++) {
      const client = await openConnection(t, tsfpm.address(pool));
      // Nothing; a part of a record; a request whose parameters do not come; no FastCGI at all.
      client.send(
        [Buffer.of(), head.subarray(0, 5), head.subarray(0, 20), Buffer.from('GET / HTTP')][i % 4] as Buffer,
      );
    }
    const upload = tsfpm.request('sleep.php', { pool, body: Buffer.alloc(4 << 20) });
    const plain = timed(tsfpm, pool);
    assert.deepEqual([(await upload).status, (await plain).status], [503, 503]);
    assert.ok((await plain).tookMs < 5000, `after ${(await plain).tookMs} ms`);
    await release();
  });
});

test('a kept connection is closed after the answer, whose request has the number that was asked', async (t) => {
  const tsfpm = await startPools(t, { 'queue.timeout': '200ms' });
  const release = await occupy(t, tsfpm, 'unix');
  const client = await openConnection(t, tsfpm.address('unix'));
  client.send(requestBytes({ params: getParams(tsfpm, 'sleep.php'), keepConn: true, requestId: 513 }));
  const { requestId, stdout } = await readAnswer(client);
  assert.equal(requestId, 513);
  assert.match(stdout.toString(), /^Status: 503 /);
  await client.closed;
  await release();
});

test('who is not in listen.allowed_clients gets no answer', async (t) => {
  const tsfpm = await startPools(t, { 'queue.timeout': '200ms', 'listen.allowed_clients': '127.0.0.1' });
  const release = await occupy(t, tsfpm, 'tcp');
  const address = tsfpm.address('tcp');
  assert.ok(typeof address !== 'string');
  const stranger = connect({ ...address, localAddress: '127.0.0.2' });
  t.after(() => stranger.destroy());
  const received: Buffer[] = [];
  stranger.on('data', (chunk) => received.push(chunk)).on('error', () => {});
  stranger.write(requestBytes({ params: getParams(tsfpm, 'sleep.php', 'ms=1') }));
  assert.equal((await timed(tsfpm, 'tcp')).status, 503);
  await until('it is closed', () => stranger.destroyed);
  assert.equal(Buffer.concat(received).length, 0);
  await release();
});

test('a reload during overload loses nobody, and does not begin to count anew how long clients have waited', async (t) => {
  const settings = { 'pm.max_children': 2, 'queue.timeout': '400ms', 'listen.backlog': 1000 };
  const pieces = { pools: { www: settings }, files: FILES };
  const tsfpm = await startTsfpm(t, pieces);
  tsfpm.announce(BEGINS);
  buildLoadGenerator();
  const load: Promise<LoadResult> = runLoad(
    {
      address: String(tsfpm.address()),
      script: tsfpm.folder.script('sleep.php'),
      params: { QUERY_STRING: 'ms=20' },
      ...{ rate: 400, seconds: 2, connections: 2000, timeoutMs: 10_000 },
    },
    new AbortController().signal,
  );
  for (let i = 0; i < 2; i++) {
    await sleep(300); // less than queue.timeout
    await reload(tsfpm, pieces);
  }
  const { ok, failures, latencyUs } = await load;
  const { status: refused = 0, ...lost } = failures;
  assert.deepEqual(Object.values(lost).filter(Boolean), [], JSON.stringify(failures));
  assert.ok(refused > 100, `${refused} were refused`);
  assert.ok(ok > 100, `${ok} were served`);
  assert.ok(latencyUs.max < 3e6, `${latencyUs.max} us`);
});
