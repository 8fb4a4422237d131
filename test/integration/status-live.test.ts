import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveSnapshot } from '../../src/status/live.js';
import { startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { statusRequest } from '../helpers/status-page.js';

test('the live page and what it shows, from a worker and from pm.status_listen', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.status_path': '/status', 'pm.status_listen': '{folder}/status.sock' }, other: {} },
    files: { 'pid.php': PID_PHP },
  });
  for (let i = 0; i < 3; i++) await tsfpm.get('pid.php');
  const bodies = new Set<string>();
  for (const address of [tsfpm.address(), tsfpm.folder.at('status.sock')]) {
    const page = await statusRequest(tsfpm, { address, query: 'html&live' });
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(
      page.headers.get('content-security-policy') ?? '',
      /^default-src 'none'; script-src 'sha256-/,
    );
    assert.match(page.text, /^<!DOCTYPE html>[\s\S]*<\/html>\n$/);
    bodies.add(page.text);

    const json = await statusRequest(tsfpm, { address, query: 'json&live' });
    assert.equal(json.headers.get('content-type'), 'application/json');
    const { pools, nowMs } = JSON.parse(json.text) as LiveSnapshot;
    assert.ok(nowMs > 0);
    assert.deepEqual(
      pools.map(({ name }) => name),
      ['www'],
    );
    const [www] = pools;
    assert.ok((www?.requests ?? 0) >= 3);
    assert.equal(www?.workers.length, 2);
    assert.ok(www?.workers.every(({ privateBytes = -1 }) => privateBytes >= 0 && privateBytes < 20e6));
    assert.ok((www?.durations.counts.reduce((sum, count) => sum + count, 0) ?? 0) >= 3);

    // php-fpm's own pages are as they were.
    assert.match((await statusRequest(tsfpm, { address, query: 'html' })).text, /PHP-FPM Status Page/);
    assert.match((await statusRequest(tsfpm, { address, query: 'live' })).text, /^pool: +www$/m);
    const head = await statusRequest(tsfpm, {
      address,
      query: 'html&live',
      params: { REQUEST_METHOD: 'HEAD' },
    });
    assert.deepEqual([head.status, head.text], [200, '']);
  }
  assert.equal(bodies.size, 1);
});
