import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolAddress, poolFile } from '../../bench/pool-file.js';

const FILES = { address: '/run/a.sock', logFile: '/run/a.log' };
const SITE = { workerUser: undefined };

function valuesOf(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(`^${name} = (.*)$`, 'gm'))].map(([, value]) => value ?? '');
}

test('each pool has a name and a socket of its own, where the load generator looks for it', () => {
  const text = poolFile(SITE, { pm: 'ondemand', maxChildren: 4, pools: 3 }, FILES);
  assert.deepEqual(text.match(/^\[.*\]$/gm), ['[global]', '[www]', '[www1]', '[www2]']);
  assert.deepEqual(
    valuesOf(text, 'listen'),
    [0, 1, 2].map((index) => poolAddress(FILES.address, index)),
  );
});

test('directives hold for every pool, and may name the address', () => {
  const directives = { 'pm.process_idle_timeout': '1s', 'pm.status_listen': '{address}.status' };
  const text = poolFile(SITE, { pm: 'ondemand', maxChildren: 4, pools: 2, directives }, FILES);
  assert.deepEqual(valuesOf(text, 'pm.process_idle_timeout'), ['1s', '1s']);
  assert.equal(valuesOf(text, 'pm.status_listen')[0], '/run/a.sock.status');
});
