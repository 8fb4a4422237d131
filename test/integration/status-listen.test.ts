import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection } from '../helpers/fastcgi-client.js';
import { PID_PHP } from '../helpers/probes.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { burst, ONDEMAND, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { rawAnswer, readAnswer, statusJson, statusParams, statusRequest } from '../helpers/status-page.js';
import { freePort } from '../helpers/two-pools.js';
import { until } from '../helpers/wait.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };
const LISTEN = {
  'pm.status_listen': '{folder}/status.sock',
  'pm.status_path': '/status',
  'ping.path': '/ping',
};

test('pages come while every worker is busy and clients wait, and occupy no worker', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: LISTEN }, files });
  const address = tsfpm.folder.at('status.sock');
  await statusJson(tsfpm, { address });
  await tsfpm.settle();
  const load = burst(tsfpm, { requests: 20, ms: 250 });
  await until('clients wait', async () => (await statusJson(tsfpm, { address }))['listen queue'] === 18);
  const busy = await until('both workers run their script', async () => {
    const now = await statusJson(tsfpm, { address, query: 'full' });
    return now.processes?.every(({ state }) => state === 'Running') && now;
  });
  assert.equal(busy['active processes'], 2);
  const from = performance.now();
  for (const query of ['', 'full', 'html&full', 'xml', 'json', 'openmetrics'])
    assert.equal((await statusRequest(tsfpm, { address, query })).status, 200);
  assert.equal((await statusRequest(tsfpm, { address, path: '/ping' })).text, 'pong');
  assert.ok(performance.now() - from < 1000);
  await load;
  const after = await until('all is at rest', async () => {
    const now = await statusJson(tsfpm, { address });
    return now['active processes'] === 0 && now;
  });
  assert.equal(after['accepted conn'], 20);
});

test('an ondemand pool shows its page though nothing of PHP runs, and none is started for it', async (t) => {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...ONDEMAND, ...LISTEN, 'pm.status_listen': `127.0.0.1:${port}` } },
    files,
  });
  const address = { host: '127.0.0.1', port };
  const status = await statusJson(tsfpm, { address, query: 'full' });
  assert.deepEqual(
    [status['process manager'], status['total processes'], status.processes],
    ['ondemand', 0, []],
  );
  assert.deepEqual(tsfpm.family(), []);
  await tsfpm.get('pid.php');
  assert.equal((await statusJson(tsfpm, { address }))['accepted conn'], 1);
});

test('there the path is / where none is set, and scripts are not run', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.status_listen': '{folder}/status.sock' } },
    files,
  });
  const address = tsfpm.folder.at('status.sock');
  assert.match((await statusRequest(tsfpm, { address, path: '/' })).text, /^pool: {17}www\n/);
  await tsfpm.settle();
  const params = { SCRIPT_FILENAME: tsfpm.folder.script('pid.php') };
  assert.equal((await statusRequest(tsfpm, { address, path: '/pid.php', params })).status, 404);
});

test('kept connections, requests sent ahead and bytes one by one are served', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: LISTEN }, files });
  const address = tsfpm.folder.at('status.sock');
  await statusRequest(tsfpm, { address });
  await tsfpm.settle();
  const ask = (requestId: number, path: string, body = '') =>
    requestBytes({
      requestId,
      keepConn: true,
      body: Buffer.from(body),
      params: statusParams(tsfpm, { path }),
    });
  const bytes = Buffer.concat([ask(7, '/status'), ask(8, '/ping', 'x'.repeat(70_000)), ask(9, '/status')]);
  const ahead = await FastcgiConnection.open(address);
  ahead.send(bytes);
  const slow = await FastcgiConnection.open(address);
  for (const byte of bytes.subarray(0, 2000)) {
    slow.send(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  slow.send(bytes.subarray(2000));
  for (const connection of [ahead, slow]) {
    for (const id of [7, 8, 9]) {
      const { requestId, stdout } = await readAnswer(connection);
      assert.equal(requestId, id);
      assert.match(stdout.toString(), id === 8 ? /\r\n\r\npong$/ : /pool: {17}www/);
    }
    connection.close();
  }
});

test('garbage, halves of requests and clients that never read harm neither the pool nor the page', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: LISTEN }, files });
  const address = tsfpm.folder.at('status.sock');
  const whole = requestBytes({ params: statusParams(tsfpm, { query: 'full' }), keepConn: true });
  await rawAnswer(address, statusParams(tsfpm));
  await tsfpm.settle();
  const stuck: FastcgiConnection[] = [];
  for (const bytes of [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(100_000, 0xff),
    whole.subarray(0, 40),
    // Parameters without an end.
    Buffer.concat(
      Array.from({ length: 50 }, () =>
        Buffer.concat([Buffer.from([1, 4, 0, 1, 0xff, 0, 0, 0]), Buffer.alloc(0xff00)]),
      ),
    ),
    // A length that the record does not hold.
    Buffer.concat([
      whole.subarray(0, 16),
      Buffer.from([1, 4, 0, 1, 0, 4, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 4, 0, 1, 0, 0, 0, 0]),
    ]),
    Buffer.concat(Array.from({ length: 2000 }, () => whole)),
  ]) {
    const connection = await FastcgiConnection.open(address);
    connection.pause();
    connection.send(bytes);
    stuck.push(connection);
  }
  for (let i = 0; i < 20; i++) {
    assert.match((await rawAnswer(address, statusParams(tsfpm))).toString(), /pool: {17}www/);
    await tsfpm.get('pid.php');
  }
  for (const connection of stuck) connection.close();
});

test('its socket is gone after the end', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: LISTEN }, files });
  const path = tsfpm.folder.at('status.sock');
  assert.ok(existsSync(path));
  // A client that stays connected does not hold the end up.
  const connection = await FastcgiConnection.open(path);
  await connection.request({ params: statusParams(tsfpm), keepConn: true });
  assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
  await connection.closed;
  assert.ok(!existsSync(path));
});

test('silent connections, however many, do not keep the page from others', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: LISTEN }, files });
  const address = tsfpm.folder.at('status.sock');
  await statusRequest(tsfpm, { address });
  const kept = await FastcgiConnection.open(address);
  await kept.request({ params: statusParams(tsfpm), keepConn: true });
  const silent: FastcgiConnection[] = [];
  for (let i = 0; i < 300; i++) silent.push(await FastcgiConnection.open(address));
  for (let i = 0; i < 20; i++) assert.equal((await statusRequest(tsfpm, { address })).status, 200);
  // One that has asked is no silent one.
  await kept.request({ params: statusParams(tsfpm), keepConn: true });
  for (const connection of [kept, ...silent]) connection.close();
});
