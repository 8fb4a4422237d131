import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AccessLogs } from '../../../src/log/access-logs.js';
import { createMasterLog } from '../../../src/log/master-log.js';
import { wallClockUs } from '../../../src/os/clock.js';

test('idle is when nothing is held, also of what has come while it was waited for', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-access-logs-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const sink = { write() {}, close() {} };
  const logs = new AccessLogs(createMasterLog({ level: 'notice', format: 'fpm', limit: 1024, sink }));
  const [first, second] = ['first', 'second'].map((name) => {
    const path = join(folder, name);
    const source = logs.acquire(path).source();
    source.wake();
    return { path, add: (text: string) => source.add({ endUs: wallClockUs(), text, encoding: 'latin1' }) };
  });
  assert.ok(first && second);
  first.add('one\n');
  const idle = logs.idle();
  // Both are held until they are settled, and a program that is replaced now would take them along.
  first.add('two\n');
  second.add('three\n');
  await idle;
  assert.equal(readFileSync(first.path, 'latin1'), 'one\ntwo\n');
  assert.equal(readFileSync(second.path, 'latin1'), 'three\n');
  await logs.close();
});
