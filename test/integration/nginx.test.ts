import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { manyRequests } from '../helpers/many-requests.js';
import { startNginx, unlessNginx } from '../helpers/nginx.js';
import { type Echo, SOCKET_KINDS, startTwoPools } from '../helpers/two-pools.js';
import { until } from '../helpers/wait.js';

const skip = unlessNginx;
const MIB = 1024 * 1024;

const FILES = {
  'path.php': '<?php echo json_encode([$_SERVER["PATH_INFO"], $_SERVER["SCRIPT_NAME"], $_GET]);',
  'fatal.php': '<?php ini_set("display_errors", 0); undefined_function();',
};
/** What the pool did wrong, as nginx saw it. */
const TROUBLE =
  /upstream prematurely closed|recv\(\) failed|connect\(\) .*failed|Broken pipe|reset by peer|timed out/;

for (const kind of SOCKET_KINDS)
  for (const keepalive of [0, 4]) {
    const name = `nginx over ${kind}${keepalive > 0 ? ' with kept connections' : ''}`;

    test(`${name}: GET, HEAD, POST, PATH_INFO, 404 and a fatal error`, { skip }, async (t) => {
      const tsfpm = await startTwoPools(t, FILES, { 'pm.max_children': 2 });
      const { url, errors } = await startNginx(t, tsfpm, { pool: kind, keepalive });
      tsfpm.announce(/undefined_function/, /Stack trace|#0 |thrown in/);

      const got: Echo = (await (await fetch(`${url}/echo.php?a=b`)).json()) as Echo;
      assert.deepEqual([got.method, got.query, got.length], ['GET', 'a=b', 0]);

      const head = await fetch(`${url}/echo.php`, { method: 'HEAD' });
      assert.deepEqual([head.status, await head.text()], [200, '']);

      const posted = (await (
        await fetch(`${url}/echo.php`, { method: 'POST', body: 'x'.repeat(70_000) })
      ).json()) as Echo;
      assert.deepEqual([posted.method, posted.length], ['POST', 70_000]);

      const path = await fetch(`${url}/path.php/some/info?q=1`);
      assert.deepEqual(await path.json(), ['/some/info', '/path.php', { q: '1' }]);

      assert.equal((await fetch(`${url}/nothing.php`)).status, 404);
      assert.equal((await fetch(`${url}/fatal.php`)).status, 500);
      // Whatever came before, the workers are fine.
      for (let i = 0; i < 4; i++) assert.equal((await fetch(`${url}/echo.php`)).status, 200);
      assert.doesNotMatch(errors.text, TROUBLE);
    });

    for (const buffering of ['on', 'off'])
      test(`${name}: a 64 MiB upload, request buffering ${buffering}`, { skip }, async (t) => {
        const tsfpm = await startTwoPools(t, {}, { 'php_admin_value[post_max_size]': '100M' });
        const location = `fastcgi_request_buffering ${buffering};`;
        const { url, errors } = await startNginx(t, tsfpm, { pool: kind, keepalive, location });
        const piece = Buffer.alloc(MIB, 'upload ');
        const hash = createHash('sha1');
        for (let i = 0; i < 64; i++) hash.update(piece);
        const echo = await upload(`${url}/echo.php`, piece, 64);
        assert.deepEqual([echo.length, echo.sha1], [64 * MIB, hash.digest('hex')]);
        assert.doesNotMatch(errors.text, TROUBLE);
      });

    test(`${name}: 600 requests, 20 at a time, without one failure`, { skip }, async (t) => {
      const tsfpm = await startTwoPools(t, {}, { 'pm.max_children': 3 });
      const { url, errors } = await startNginx(t, tsfpm, { pool: kind, keepalive });
      const { failures, pids } = await manyRequests(url, { requests: 600, clients: 20, bytes: 17 });
      assert.deepEqual(failures, [], errors.text);
      assert.ok(pids.size > 1, 'one worker served them all');
      assert.doesNotMatch(errors.text, TROUBLE);
    });
  }

test('nginx keeps its connections to the pool', { skip }, async (t) => {
  const tsfpm = await startTwoPools(t, {
    // The listening socket, and the client's, by their inodes.
    'sockets.php':
      '<?php foreach (glob("/proc/self/fd/*") as $fd) if (strpos($to = readlink($fd), "socket:") === 0) echo $to;',
  });
  for (const [keepalive, isKept] of [
    [0, false],
    [1, true],
  ] as const) {
    const { url } = await startNginx(t, tsfpm, { pool: 'unix', keepalive });
    if (isKept) {
      // From then on a worker has the keeper's socket as well; it asks for that between two requests.
      await fetch(`${url}/sockets.php`);
      await until('there is a keeper', () => tsfpm.keepers('unix').length > 0);
      await fetch(`${url}/sockets.php`);
    }
    const answers = new Set<string>();
    for (let i = 0; i < 20; i++) answers.add(await (await fetch(`${url}/sockets.php`)).text());
    assert.equal(answers.size === 1, isKept, [...answers].join(' '));
  }
});

/** `count` times `piece`, with a length that is told in advance. */
function upload(url: string, piece: Buffer, count: number): Promise<Echo> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', headers: { 'Content-Length': piece.length * count } });
    outgoing.setTimeout(60_000, () => outgoing.destroy(new Error('no answer to the upload within 60 s')));
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (incoming.statusCode === 200) resolve(JSON.parse(text) as Echo);
        else reject(new Error(`the upload was answered with ${incoming.statusCode}: ${text}`));
      });
    });
    let left = count;
    const write = () => {
      while (left-- > 0)
        if (!outgoing.write(piece)) {
          outgoing.once('drain', write);
          return;
        }
      outgoing.end();
    };
    write();
  });
}
