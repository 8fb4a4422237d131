import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { test } from 'node:test';
import { manyRequests } from '../helpers/many-requests.js';
import { type Echo, startTwoPools } from '../helpers/two-pools.js';
import { until } from '../helpers/wait.js';
import { apaches } from './apache.js';
import { caddy } from './caddy.js';
import { h2o } from './h2o.js';
import { haproxy } from './haproxy.js';
import { lighttpd } from './lighttpd.js';
import { nginx } from './nginx.js';
import { startServer, whyMissing } from './run-server.js';

const SERVERS = [nginx, haproxy, lighttpd, ...apaches, caddy, h2o];
const MIB = 1024 * 1024;
const UPLOAD = Buffer.alloc(20 * MIB, 'upload ');
const REQUESTS = 300;
const CLIENTS = 10;

const FILES = {
  'path.php': '<?php echo json_encode([$_SERVER["PATH_INFO"] ?? "", $_SERVER["SCRIPT_NAME"], $_GET]);',
  // Messages before, between and behind the pieces of the answer, of lengths that are no multiple of eight.
  'warn.php': `<?php error_log('before'); flush(); usleep(1000); echo 'first '; flush(); error_log('between'); usleep(1000);
    trigger_error('a warning', E_USER_WARNING); flush(); usleep(1000); echo 'last'; flush(); error_log('behind'); usleep(1000);
    error_log(str_repeat('long ', 6001)); usleep(1000);`,
  // The sockets of this worker, by their inodes, its client's among them.
  'sockets.php': `<?php foreach (glob('/proc/self/fd/*') as $fd)
    if (strpos($to = (string) @readlink($fd), 'socket:') === 0) echo "$to ";`,
};
const SETTINGS = {
  'pm.max_children': 2,
  'php_admin_value[post_max_size]': '30M',
  'php_admin_value[log_errors]': '1',
  'php_admin_value[display_errors]': '0',
};

for (const server of SERVERS) {
  test(`behind ${server.name}: GET, HEAD, POST, PATH_INFO, 404, 20 MiB, warnings and kept connections`, {
    skip: whyMissing(server),
  }, async (t) => {
    const tsfpm = await startTwoPools(t, FILES, SETTINGS);
    tsfpm.announce(/said into std/);
    const running = await startServer(t, server, tsfpm);
    const { url } = running;

    const got = (await (await fetch(`${url}/echo.php?a=b%20c`)).json()) as Echo;
    assert.deepEqual([got.method, got.query, got.length], ['GET', 'a=b%20c', 0]);

    const head = await fetch(`${url}/echo.php`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);

    const posted = await post(`${url}/echo.php`, Buffer.alloc(70_000, 'x'), 'length');
    assert.deepEqual([posted.method, posted.length], ['POST', 70_000]);

    const inChunks = post(`${url}/echo.php`, Buffer.alloc(70_000, 'y'), 'chunked');
    if (server.takesChunkedBodies) assert.equal((await inChunks).length, 70_000);
    else await assert.rejects(inChunks, /answered with 400/);

    const uploaded = await post(`${url}/echo.php`, UPLOAD, 'length');
    const sha1 = createHash('sha1').update(UPLOAD).digest('hex');
    assert.deepEqual([uploaded.length, uploaded.sha1], [UPLOAD.length, sha1]);

    const path = await fetch(`${url}/path.php/some/info?q=1`);
    assert.deepEqual(await path.json(), ['/some/info', '/path.php', { q: '1' }]);

    assert.equal((await fetch(`${url}/nothing.php`)).status, 404);

    for (let i = 0; i < 20; i++)
      assert.equal(await (await fetch(`${url}/warn.php`)).text(), 'first last', running.log());
    if (server.logsMessages)
      await until('the messages are in its log', () =>
        ['before', 'between', 'PHP Warning:  a warning', 'behind'].every((word) =>
          running.log().includes(`PHP message: ${word}`),
        ),
      );

    const { failures } = await manyRequests(url, { requests: REQUESTS, clients: CLIENTS, bytes: 37 });
    assert.deepEqual(failures, [], running.log());
    assert.equal(await keepsConnections(url), server.keepsConnections);
    assert.ok(!running.hasEnded(), running.log());
  });
}

/** Whether one request after the other comes on a connection that was there before: on one of some, in any worker. */
async function keepsConnections(url: string): Promise<boolean> {
  const requests = 4 * CLIENTS;
  const seen = new Set<string>();
  for (let i = 0; i < requests; i++)
    for (const socket of (await (await fetch(`${url}/sockets.php`)).text()).split(' ')) seen.add(socket);
  return seen.size < requests;
}

/** @param told the body's length before it, or each piece's with the piece */
function post(url: string, body: Buffer, told: 'length' | 'chunked'): Promise<Echo> {
  return new Promise((resolve, reject) => {
    const headers = {
      'Content-Type': 'application/octet-stream',
      ...(told === 'length' ? { 'Content-Length': body.length } : { 'Transfer-Encoding': 'chunked' }),
    };
    const outgoing = request(url, { method: 'POST', headers, agent: false });
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
    outgoing.end(body);
  });
}
