import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Bytes, Pid } from '../../src/units.js';
import { fcgiRequest } from '../helpers/fastcgi-client.js';
import { requestBytes } from '../helpers/request-bytes.js';
import {
  type Echo,
  getParams,
  openConnection,
  postParams,
  SOCKET_KINDS,
  startTwoPools,
} from '../helpers/two-pools.js';
import { sleep } from '../helpers/wait.js';

const MIB = 1024 * 1024;
/** One byte more than fits in 31 bits. PHP keeps what it reads of php://input in a temporary file: less for slow disks. */
const HUGE_BODY: Bytes = process.env.TSFPM_TEST_SMALL_UPLOAD === undefined ? 2048 * MIB + 1 : 512 * MIB;
/** Around the sizes of the runtime's buffer, of PHP's blocks, and of the largest record. */
const SIZES: readonly Bytes[] = [0, 1, 8191, 8192, 8193, 16_384, 65_535, 65_536, 65_537, 5 * MIB];

for (const kind of SOCKET_KINDS) {
  test(`${kind}: bodies of ${SIZES.length} sizes arrive whole, on new and on kept connections`, async (t) => {
    // Two workers: a single one would let the kept connection go for the new ones.
    const tsfpm = await startTwoPools(t, {}, { 'pm.max_children': 2 });
    const kept = await openConnection(t, tsfpm.address(kind));
    for (const size of SIZES) {
      const stdin = randomBytes(size);
      const request = { params: postParams(tsfpm, 'echo.php', size), stdin };
      const want = [size, createHash('sha1').update(stdin).digest('hex')];
      for (const response of [
        await fcgiRequest(tsfpm.address(kind), request),
        await kept.request({ ...request, keepConn: true }),
      ]) {
        const echo: Echo = JSON.parse(response.body.toString());
        assert.deepEqual([echo.length, echo.sha1], want);
        assert.equal(response.endRequest?.protocolStatus, 0);
      }
    }
    assert.equal(kept.isClosed, false);
  });

  test(`${kind}: a request that comes byte by byte is served`, async (t) => {
    const tsfpm = await startTwoPools(t, {});
    const connection = await openConnection(t, tsfpm.address(kind));
    const body = Buffer.from('byte by byte');
    for (const byte of requestBytes({ params: postParams(tsfpm, 'echo.php', body.length), body })) {
      connection.send(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    const text = Buffer.concat((await recordsOf(connection)).map(({ content }) => content)).toString();
    assert.match(text, /"length":12,/);
    assert.match(text, new RegExp(createHash('sha1').update(body).digest('hex')));
  });

  test(`${kind}: an answer that comes before the body is read reaches a client that still sends`, async (t) => {
    const tsfpm = await startTwoPools(t, {
      'early.php': '<?php header("X-Early: yes"); echo str_repeat("early ", 30000); flush();',
    });
    // Without CONTENT_LENGTH PHP leaves the body alone; with it, it reads all of it before it ends the request.
    for (const length of ['', String(64 * MIB)]) {
      const response = await fcgiRequest(tsfpm.address(kind), {
        params: { ...postParams(tsfpm, 'early.php', 0), CONTENT_LENGTH: length },
        stdin: repeated(64 * MIB),
      });
      assert.equal(response.headers.get('x-early'), 'yes');
      assert.equal(response.body.length, 180_000);
      assert.equal(response.endRequest?.protocolStatus, 0);
    }
    // One that reads only when it has sent all, slowly: two seconds without CONTENT_LENGTH.
    const connection = await openConnection(t, tsfpm.address(kind));
    const params = { ...postParams(tsfpm, 'early.php', 0), CONTENT_LENGTH: '' };
    const all = requestBytes({ params, body: Buffer.alloc(26 * 8192, 'x') });
    for (let at = 0; at < all.length; at += 8192) {
      connection.send(all.subarray(at, at + 8192));
      await sleep(90);
    }
    const records = await recordsOf(connection);
    assert.equal(records.at(-1)?.type, 3);
    assert.equal(connection.error, undefined);
  });

  test(`${kind}: 64 MiB reach a slow reader`, async (t) => {
    const tsfpm = await startTwoPools(t, {
      'large.php': '<?php for ($i = 0; $i < 1024; $i++) echo str_repeat(chr(65 + $i % 26), 65536);',
    });
    const connection = await openConnection(t, tsfpm.address(kind));
    connection.send(requestBytes({ params: getParams(tsfpm, 'large.php') }));
    connection.pause();
    await sleep(300);
    connection.resume();
    let length = 0;
    const hash = createHash('sha1');
    let isHead = true;
    for (let i = 0; ; i++) {
      const record = await connection.nextRecord();
      assert.ok(record !== undefined, `the connection ended after ${length} bytes`);
      if (record.type === 3) break;
      const body = isHead ? record.content.subarray(record.content.indexOf('\r\n\r\n') + 4) : record.content;
      isHead = false;
      length += body.length;
      hash.update(body);
      if (i % 100 === 0) {
        connection.pause();
        await sleep(2);
        connection.resume();
      }
    }
    const want = createHash('sha1');
    for (let i = 0; i < 1024; i++) want.update(Buffer.alloc(65_536, 65 + (i % 26)));
    assert.equal(length, 64 * MIB);
    assert.equal(hash.digest('hex'), want.digest('hex'));
  });
}

test(`an upload of ${Math.round(HUGE_BODY / MIB)} MiB streams through a worker in constant memory`, async (t) => {
  const tsfpm = await startTwoPools(t, {}, { 'php_admin_value[post_max_size]': 0 });
  const address = tsfpm.address('unix');
  await fcgiRequest(address, { params: getParams(tsfpm, 'echo.php') });
  const [worker = 0] = tsfpm.workers('unix');
  const watched: Record<string, Pid> = { worker, master: tsfpm.pid, zygote: tsfpm.zygote('unix') ?? 0 };
  const before = Object.entries(watched).map(([who, pid]) => ({ who, pid, bytes: peakBytesOf(pid) }));
  const response = await fcgiRequest(address, {
    params: postParams(tsfpm, 'echo.php', HUGE_BODY),
    stdin: repeated(HUGE_BODY),
    timeoutMs: 120_000,
  });
  const want = createHash('sha1');
  for await (const piece of repeated(HUGE_BODY)) want.update(piece);
  const echo: Echo = JSON.parse(response.body.toString());
  assert.deepEqual([echo.length, echo.sha1, echo.pid], [HUGE_BODY, want.digest('hex'), worker]);
  for (const { who, pid, bytes } of before) {
    const grown = peakBytesOf(pid) - bytes;
    assert.ok(grown < 16 * MIB, `the ${who} grew by ${(grown / MIB).toFixed(1)} MiB`);
  }
});

async function* repeated(length: Bytes): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(MIB, 'abcdefghijklmnopqrstuvwxyz0123456789');
  for (let left = length; left > 0; left -= piece.length)
    yield piece.subarray(0, Math.min(left, piece.length));
}

/** All records up to the end of the connection. */
async function recordsOf(connection: Awaited<ReturnType<typeof openConnection>>) {
  const records = [];
  for (
    let record = await connection.nextRecord();
    record !== undefined;
    record = await connection.nextRecord()
  )
    records.push(record);
  return records;
}

/** The most memory that the process has had in RAM. */
function peakBytesOf(pid: Pid): Bytes {
  const [, kilobytes] = /^VmHWM:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kilobytes) * 1024;
}
