import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FCGI_BEGIN_REQUEST, FCGI_PARAMS, FCGI_RESPONDER, FCGI_STDIN } from '../../src/fastcgi/constants.js';
import {
  encodeBeginRequest,
  encodePair,
  encodeParams,
  encodeRecord,
  encodeStreamEnd,
} from '../../src/fastcgi/encode.js';
import type { Daemon } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { FCGI_ABORT_REQUEST, FCGI_DATA, FCGI_GET_VALUES } from '../helpers/record-types.js';
import { requestBytes } from '../helpers/request-bytes.js';
import {
  getParams,
  openConnection,
  postParams,
  SOCKET_KINDS,
  type SocketKind,
  startTwoPools,
} from '../helpers/two-pools.js';
import { sleep } from '../helpers/wait.js';

const FILES = {
  'pid.php': PID_PHP,
  'large.php': '<?php ignore_user_abort(true); for ($i = 0; $i < 64; $i++) echo str_repeat("x", 65536);',
};

const begin = (role = FCGI_RESPONDER) => encodeBeginRequest(1, { role, flags: 0 });
/** One record with a header that says what it likes. */
function record(
  header: Partial<Record<'version' | 'type' | 'length' | 'padding', number>>,
  content = Buffer.alloc(0),
): Buffer {
  const bytes = Buffer.alloc(8);
  bytes[0] = header.version ?? 1;
  bytes[1] = header.type ?? FCGI_BEGIN_REQUEST;
  bytes.writeUInt16BE(1, 2);
  bytes.writeUInt16BE(header.length ?? content.length, 4);
  bytes[6] = header.padding ?? 0;
  return Buffer.concat([bytes, content]);
}

/** The next client is served, and by the same worker. */
async function assertServes(tsfpm: Daemon, kind: SocketKind, worker: number | undefined): Promise<void> {
  assert.equal(await tsfpm.get('pid.php', { pool: kind, timeoutMs: 8000 }), String(worker));
}

/** Sends the bytes, and either half-closes or just stays; the worker must close and serve the next. */
async function assertRefused(
  t: TestContext,
  tsfpm: Daemon,
  kind: SocketKind,
  bytes: Uint8Array,
  { stays = true } = {},
) {
  const connection = await openConnection(t, tsfpm.address(kind));
  connection.send(bytes);
  if (!stays) connection.endSending();
  assert.equal(await connection.nextRecord(8000), undefined);
}

for (const kind of SOCKET_KINDS) {
  test(`${kind}: records that PHP refuses end their connection and nothing else`, async (t) => {
    const tsfpm = await startTwoPools(t, FILES);
    const [worker] = tsfpm.workers(kind);
    const refused: Record<string, Uint8Array> = {
      'version 0': record({ version: 0 }, Buffer.alloc(8)),
      'an unknown type first': record({ type: 77 }, Buffer.alloc(20)),
      'ABORT_REQUEST first': record({ type: FCGI_ABORT_REQUEST }),
      'DATA first': record({ type: FCGI_DATA }, Buffer.alloc(9)),
      'PARAMS first': encodeRecord(FCGI_PARAMS, 1, encodePair('A', 'b')),
      'STDIN with content first': record({ type: FCGI_STDIN }, Buffer.from('body')),
      'a BEGIN_REQUEST of another size': record({ type: FCGI_BEGIN_REQUEST }, Buffer.alloc(7)),
      'a role that is none': begin(9),
      'content and padding beyond 65535': record(
        { length: 65_535, padding: 255 },
        Buffer.alloc(65_535 + 255),
      ),
      'a pair that is longer than its record': Buffer.concat([
        begin(),
        encodeRecord(FCGI_PARAMS, 1, Buffer.from([5, 200, 65])),
      ]),
      'a pair of 4 GiB': Buffer.concat([
        begin(),
        encodeRecord(FCGI_PARAMS, 1, Buffer.from([255, 255, 255, 255, 255, 255, 255, 255, 65, 66])),
      ]),
      'a pair split across two records': Buffer.concat([
        begin(),
        encodeRecord(FCGI_PARAMS, 1, encodePair('NAME', 'value').subarray(0, 6)),
        encodeRecord(FCGI_PARAMS, 1, encodePair('NAME', 'value').subarray(6)),
      ]),
      'version 0 among the params': Buffer.concat([
        begin(),
        record({ version: 0, type: FCGI_PARAMS }, Buffer.alloc(2)),
      ]),
      'an HTTP request': Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      'a TLS hello': Buffer.from('160301020001000001fc0303', 'hex'),
    };
    for (const [name, bytes] of Object.entries(refused)) {
      await assertRefused(t, tsfpm, kind, bytes).catch((error: Error) => {
        error.message = `${name}: ${error.message}`;
        throw error;
      });
      await assertServes(tsfpm, kind, worker);
    }
  });

  test(`${kind}: a request cut anywhere ends its connection, and the worker serves the next`, async (t) => {
    const tsfpm = await startTwoPools(t, FILES);
    const [worker] = tsfpm.workers(kind);
    const body = Buffer.from('a body of a few bytes');
    const whole = requestBytes({
      params: { ...postParams(tsfpm, 'pid.php', body.length), LONG: 'x'.repeat(300) },
      body,
    });
    const bodyAt = whole.length - body.length - 16;
    // Every cut in the headers and the first params, then fewer.
    for (let cut = 0; cut < bodyAt; cut += cut < 64 ? 1 : 13)
      await assertRefused(t, tsfpm, kind, whole.subarray(0, cut), { stays: false });
    // Cut in the body the script runs, as under php-fpm.
    for (let cut = bodyAt; cut < whole.length; cut++) {
      const connection = await openConnection(t, tsfpm.address(kind));
      connection.send(whole.subarray(0, cut));
      connection.endSending();
      await connection.closed;
    }
    await assertServes(tsfpm, kind, worker);
  });

  test(`${kind}: clients that vanish at every stage leave a worker that serves the next`, async (t) => {
    const tsfpm = await startTwoPools(t, FILES);
    const [worker] = tsfpm.workers(kind);
    const body = Buffer.alloc(100_000, 'x');
    const post = requestBytes({ params: postParams(tsfpm, 'large.php', body.length), body });
    const stages: Record<string, Uint8Array> = {
      'after connect': Buffer.alloc(0),
      'in a header': post.subarray(0, 3),
      'in BEGIN_REQUEST': post.subarray(0, 12),
      'in the params': post.subarray(0, 100),
      'in the body': post.subarray(0, 50_000),
      'during the output': post,
    };
    for (const keepConn of [false, true])
      for (const [stage, bytes] of Object.entries(stages)) {
        const sent = Buffer.from(bytes);
        if (keepConn && sent.length > 10) sent[10] = 1; // the flags of BEGIN_REQUEST
        const connection = await openConnection(t, tsfpm.address(kind));
        connection.send(sent);
        if (stage === 'during the output') await connection.nextRecord();
        else await sleep(5);
        connection.close();
        await assertServes(tsfpm, kind, worker).catch((error: Error) => {
          error.message = `${stage}: ${error.message}`;
          throw error;
        });
      }
  });

  test(`${kind}: ABORT_REQUEST in the body ends the request, and its client does not keep the worker`, async (t) => {
    const tsfpm = await startTwoPools(t, FILES);
    const [worker] = tsfpm.workers(kind);
    const connection = await openConnection(t, tsfpm.address(kind), { staysOpen: true });
    connection.send(
      Buffer.concat([
        begin(),
        encodeParams(1, Object.entries(postParams(tsfpm, 'pid.php', 1000))),
        encodeRecord(FCGI_STDIN, 1, Buffer.alloc(10)),
        record({ type: FCGI_ABORT_REQUEST }),
      ]),
    );
    while ((await connection.nextRecord(1000))?.type !== 3);
    const startedAt = performance.now();
    await assertServes(tsfpm, kind, worker);
    assert.ok(performance.now() - startedAt < 1000);
  });

  test(`${kind}: 100,000 params are taken or refused as PHP likes, and the next client is served`, async (t) => {
    const tsfpm = await startTwoPools(t, { ...FILES, 'count.php': '<?php echo count($_SERVER);' });
    const [worker] = tsfpm.workers(kind);
    const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`NAME_${i}`, String(i)]));
    const connection = await openConnection(t, tsfpm.address(kind));
    const answer = await connection.request({
      params: { ...getParams(tsfpm, 'count.php'), ...many },
      timeoutMs: 20_000,
    });
    assert.ok(Number(answer.body.toString()) >= 100_000, answer.body.toString());
    await assertServes(tsfpm, kind, worker);
  });
}

test('empty records and unusual ones are taken as PHP takes them', async (t) => {
  const tsfpm = await startTwoPools(t, FILES);
  const [worker] = tsfpm.workers('unix');
  const params = Object.entries(getParams(tsfpm, 'pid.php'));
  const padded = Buffer.from(begin());
  padded[6] = 5;
  const accepted: Record<string, Buffer[]> = {
    'empty STDIN records first': [
      encodeStreamEnd(FCGI_STDIN, 1),
      encodeStreamEnd(FCGI_STDIN, 1),
      begin(),
      encodeParams(1, params),
      encodeStreamEnd(FCGI_STDIN, 1),
    ],
    padding: [padded, Buffer.alloc(5), encodeParams(1, params), encodeStreamEnd(FCGI_STDIN, 1)],
    'a higher version': [begin(), encodeParams(1, params), encodeStreamEnd(FCGI_STDIN, 1)].map((bytes) => {
      const changed = Buffer.from(bytes);
      changed[0] = 9;
      return changed;
    }),
    'params in many records': [
      begin(),
      ...params.map(([name, value]) => encodeRecord(FCGI_PARAMS, 1, encodePair(name, value))),
      encodeStreamEnd(FCGI_PARAMS, 1),
      encodeStreamEnd(FCGI_STDIN, 1),
    ],
    'an empty GET_VALUES first': [record({ type: FCGI_GET_VALUES })],
  };
  for (const [name, pieces] of Object.entries(accepted)) {
    const connection = await openConnection(t, tsfpm.address('unix'));
    connection.send(Buffer.concat(pieces));
    const answer = await connection.nextRecord(3000);
    assert.ok(answer !== undefined, name);
    if (answer.type === 6) assert.match(answer.content.toString(), new RegExp(`${worker}$`), name);
    connection.close();
  }
  await assertServes(tsfpm, 'unix', worker);
});

test('a silent client is closed after five seconds', async (t) => {
  const tsfpm = await startTwoPools(t, FILES);
  const [worker] = tsfpm.workers('unix');
  const silent = await openConnection(t, tsfpm.address('unix'), { staysOpen: true });
  const startedAt = performance.now();
  assert.equal(await tsfpm.get('pid.php', { pool: 'unix' }), String(worker));
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 3500 && tookMs < 6500, `${tookMs} ms`);
  silent.close();
});
