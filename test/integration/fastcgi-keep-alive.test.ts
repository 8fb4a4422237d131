import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { FCGI_KEEP_CONN, FCGI_RESPONDER, FCGI_STDIN } from '../../src/fastcgi/constants.js';
import { encodeBeginRequest, encodeParams, encodeStream, encodeStreamEnd } from '../../src/fastcgi/encode.js';
import { startTsfpm } from '../helpers/daemon.js';
import { type FastcgiConnection, fcgiRequest } from '../helpers/fastcgi-client.js';
import { PID_PHP } from '../helpers/probes.js';
import { requestBytes } from '../helpers/request-bytes.js';
import {
  ECHO_PHP,
  type Echo,
  getParams,
  openConnection,
  postParams,
  SOCKET_KINDS,
  startTwoPools,
} from '../helpers/two-pools.js';
import { sleep } from '../helpers/wait.js';

const sha1 = (bytes: Uint8Array) => createHash('sha1').update(bytes).digest('hex');
const echoOf = (response: { readonly body: Buffer }): Echo => JSON.parse(response.body.toString());

for (const kind of SOCKET_KINDS) {
  test(`${kind}: one connection serves 1000 requests, GET and POST mixed`, async (t) => {
    const tsfpm = await startTwoPools(t, {});
    const connection = await openConnection(t, tsfpm.address(kind));
    const [worker] = tsfpm.workers(kind);
    for (let i = 0; i < 1000; i++) {
      const body = Buffer.alloc(i % 3 === 0 ? 0 : (i * 37) % 20_000, `${i}.`);
      const params =
        body.length === 0
          ? getParams(tsfpm, 'echo.php', `n=${i}`)
          : postParams(tsfpm, 'echo.php', body.length, `n=${i}`);
      const response = await connection.request({
        params,
        stdin: body,
        keepConn: true,
        requestId: 1 + (i % 5),
      });
      assert.deepEqual(echoOf(response), {
        pid: worker,
        method: body.length === 0 ? 'GET' : 'POST',
        query: `n=${i}`,
        length: body.length,
        sha1: sha1(body),
      });
    }
    assert.equal(connection.isClosed, false);
  });

  test(`${kind}: idle kept-alive connections on all workers do not keep others waiting`, async (t) => {
    const tsfpm = await startTwoPools(t, {}, { 'pm.max_children': 3 });
    const idle = [];
    for (let i = 0; i < 3; i++) {
      const connection = await openConnection(t, tsfpm.address(kind));
      await connection.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
      idle.push(connection);
    }
    const startedAt = performance.now();
    for (let i = 0; i < 5; i++)
      await fcgiRequest(tsfpm.address(kind), { params: getParams(tsfpm, 'echo.php'), timeoutMs: 5000 });
    assert.ok(performance.now() - startedAt < 1500, `${performance.now() - startedAt} ms`);
    for (const connection of idle) {
      assert.equal(connection.isClosed, false);
      await connection.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
    }
  });

  test(`${kind}: a kept-alive client that is always busy does not keep others waiting`, async (t) => {
    const tsfpm = await startTwoPools(t, {});
    let isOver = false;
    let served = 0;
    const busy = (async () => {
      const connection = await openConnection(t, tsfpm.address(kind));
      while (!isOver) {
        await connection.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
        served++;
      }
    })();
    await sleep(100);
    const startedAt = performance.now();
    for (let i = 0; i < 2; i++)
      await fcgiRequest(tsfpm.address(kind), { params: getParams(tsfpm, 'echo.php'), timeoutMs: 5000 });
    const tookMs = performance.now() - startedAt;
    isOver = true;
    await busy;
    assert.ok(tookMs < 1000, `${tookMs} ms`);
    assert.ok(served > 10, `the busy client was served ${served} times`);
  });

  test(`${kind}: requests that were sent at once are answered in turn`, async (t) => {
    const tsfpm = await startTwoPools(t, {});
    const connection = await openConnection(t, tsfpm.address(kind));
    const body = Buffer.alloc(3000, 'x');
    connection.send(
      Buffer.concat([
        requestBytes({ params: getParams(tsfpm, 'echo.php', 'n=1'), keepConn: true, requestId: 1 }),
        requestBytes({
          params: postParams(tsfpm, 'echo.php', 3000, 'n=2'),
          body,
          keepConn: true,
          requestId: 2,
        }),
      ]),
    );
    // The third is the client's usual one: its answer comes third.
    const answers: Echo[] = [];
    for (const id of [1, 2]) answers.push(echoOf(await readAnswer(connection, id)));
    answers.push(
      echoOf(
        await connection.request({
          params: getParams(tsfpm, 'echo.php', 'n=3'),
          keepConn: true,
          requestId: 3,
        }),
      ),
    );
    assert.deepEqual(
      answers.map(({ query, length }) => [query, length]),
      [
        ['n=1', 0],
        ['n=2', 3000],
        ['n=3', 0],
      ],
    );
  });

  test(`${kind}: a body that the script does not read is read for it, however slowly it comes`, async (t) => {
    const tsfpm = await startTwoPools(t, { 'pid.php': PID_PHP });
    const connection = await openConnection(t, tsfpm.address(kind));
    const params = postParams(tsfpm, 'pid.php', 40);
    connection.send(
      Buffer.concat([
        encodeBeginRequest(1, { role: FCGI_RESPONDER, flags: FCGI_KEEP_CONN }),
        encodeParams(1, Object.entries(params)),
      ]),
    );
    // Each pause is at the border of a record, where a worker could take the request for over; another client waits.
    const other = fcgiRequest(tsfpm.address(kind), {
      params: getParams(tsfpm, 'pid.php'),
      timeoutMs: 10_000,
    });
    let hasAnswered = false;
    const answered = readAnswer(connection, 1).finally(() => {
      hasAnswered = true;
    });
    for (let i = 0; i < 4; i++) {
      await sleep(60);
      assert.ok(!hasAnswered);
      connection.send(Buffer.concat([...encodeStream(FCGI_STDIN, 1, Buffer.alloc(10, 'x'))]));
    }
    connection.send(encodeStreamEnd(FCGI_STDIN, 1));
    const answer = await answered;
    assert.equal(answer.body.toString(), String(tsfpm.workers(kind)[0]));
    assert.equal((await other).body.toString(), answer.body.toString());
    assert.equal(connection.error, undefined);
  });

  test(`${kind}: a body shorter than CONTENT_LENGTH ends with STDIN, not with a worker that waits`, async (t) => {
    const tsfpm = await startTwoPools(t, {});
    const connection = await openConnection(t, tsfpm.address(kind));
    const body = Buffer.from('short');
    const answer = await connection.request({
      params: postParams(tsfpm, 'echo.php', 5000),
      stdin: body,
      keepConn: true,
      timeoutMs: 3000,
    });
    assert.deepEqual([echoOf(answer).length, echoOf(answer).sha1], [5, sha1(body)]);
  });

  test(`${kind}: a body longer than CONTENT_LENGTH is never taken for the next request`, async (t) => {
    const tsfpm = await startTwoPools(t, {});
    const connection = await openConnection(t, tsfpm.address(kind));
    // The surplus is a whole request, within the same STDIN record as the body.
    const smuggled = requestBytes({ params: getParams(tsfpm, 'echo.php', 'smuggled'), keepConn: true });
    const body = Buffer.concat([Buffer.from('12345678'), smuggled]);
    const answer = await connection.request({
      params: postParams(tsfpm, 'echo.php', 8),
      stdin: body,
      keepConn: true,
    });
    assert.equal(echoOf(answer).length, 8);
    assert.equal(await connection.nextRecord(3000), undefined);
    assert.equal(connection.error, undefined);
    await tsfpm.get('echo.php', { pool: kind });
  });
}

test('idle kept-alive connections do not keep others waiting where the pool has a status page', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'pm.status_path': '/status', 'ping.path': '/ping' } },
    files: { 'echo.php': ECHO_PHP },
  });
  const params = getParams(tsfpm, 'echo.php');
  const ping = { ...params, SCRIPT_NAME: '/ping', SCRIPT_FILENAME: '/ping' };
  for (const asked of [params, ping]) {
    const idle = await openConnection(t, tsfpm.address());
    for (let i = 0; i < 3; i++) await idle.request({ params: asked, keepConn: true });
    await tsfpm.get('echo.php', { timeoutMs: 2000 });
    await idle.request({ params: asked, keepConn: true });
    assert.equal(idle.isClosed, false);
  }
});

test('FCGI_GET_VALUES is answered, and an asker that stays does not keep the worker', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1 } },
    files: { 'echo.php': ECHO_PHP },
  });
  const asker = await openConnection(t, tsfpm.address());
  // php-fpm tells of no other limit.
  const names = ['FCGI_MAX_CONNS', 'FCGI_MPXS_CONNS', 'FCGI_MAX_REQS', 'SOMETHING'];
  for (const asked of [names, ['FCGI_MAX_CONNS'], []])
    assert.deepEqual(
      Object.fromEntries(await asker.getValues(asked)),
      asked === names ? { FCGI_MPXS_CONNS: '0' } : {},
    );
  await tsfpm.get('echo.php', { timeoutMs: 2000 });
});

/** The answer to a request that was sent as raw bytes; the client's own reader would expect its own request. */
async function readAnswer(connection: FastcgiConnection, requestId: number): Promise<{ body: Buffer }> {
  const stdout: Buffer[] = [];
  for (;;) {
    const record = await connection.nextRecord();
    assert.ok(record !== undefined, 'the connection ended before the answer');
    assert.equal(record.requestId, requestId);
    if (record.type === 3) break;
    if (record.type === 6) stdout.push(record.content);
  }
  const answer = Buffer.concat(stdout);
  return { body: answer.subarray(answer.indexOf('\r\n\r\n') + 4) };
}
