import assert from 'node:assert/strict';
import { chmodSync, readFileSync, renameSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { isRoot } from '../helpers/daemon-folder.js';
import { reload } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';

/** A line of its own for each request, long enough to be cut if anything cuts. */
const TALK_PHP = `<?php for ($i = 0; $i < 5; $i++) error_log("line {$_GET['n']}.$i " . str_repeat('x', 700) . ' end'); echo 'ok';`;

test('move-then-signal under load loses no line of a worker and doubles none', async (t) => {
  const tsfpm = await startTsfpm(t, {
    arguments: [],
    logTo: 'file',
    pools: {
      www: {
        'pm.max_children': 3,
        'php_admin_flag[fastcgi.logging]': 'off',
        'php_admin_flag[log_errors]': 'on',
      },
    },
    files: { 'talk.php': TALK_PHP },
  });
  const log = tsfpm.folder.at('error.log');
  const workers = tsfpm.workers();
  const ROTATIONS = 8;
  const rotated: string[] = [];
  let sent = 0;
  let isOver = false;
  const talkers = Array.from({ length: 3 }, async () => {
    while (!isOver) await tsfpm.get('talk.php', { params: { QUERY_STRING: `n=${sent++}` } });
  });
  for (let i = 0; i < ROTATIONS; i++) {
    const before = sent;
    await until('more lines', () => sent > before + 60);
    const name = tsfpm.folder.at(`error.log.${i}`);
    renameSync(log, name);
    rotated.push(name);
    tsfpm.signal('SIGUSR1');
    await until('the new file', () => /NOTICE: error log file re-opened\n/.test(tsfpm.log.text));
  }
  isOver = true;
  await Promise.all(talkers);
  const all = () => [...rotated, log].map((name) => readFileSync(name, 'utf8')).join('');
  const expected = [...Array(sent).keys()].flatMap((n) => [0, 1, 2, 3, 4].map((i) => `${n}.${i}`)).sort();
  await until(
    'every line',
    () => (all().match(/line [0-9]+\.[0-9] x+ end$/gm)?.length ?? 0) >= expected.length,
  );
  assert.deepEqual([...all().matchAll(/line ([0-9]+\.[0-9]) x+ end$/gm)].map(([, n]) => n).sort(), expected);
  assert.deepEqual(tsfpm.workers(), workers);
});

test('a recreated log is the master’s own, for nobody else to read, whatever the old one was', async (t) => {
  const tsfpm = await startTsfpm(t, { arguments: [], logTo: 'file' });
  const log = tsfpm.folder.at('error.log');
  chmodSync(log, 0o666);
  renameSync(log, `${log}.1`);
  tsfpm.signal('SIGUSR1');
  await until('the new file', () => /re-opened\n/.test(tsfpm.log.text));
  const { mode, uid } = statSync(log);
  assert.equal(mode & 0o777, 0o600);
  if (isRoot) assert.equal(uid, 0);
});

test('USR1 during a reload does both', async (t) => {
  const tsfpm = await startTsfpm(t, { arguments: [], logTo: 'file' });
  const log = tsfpm.folder.at('error.log');
  for (let i = 0; i < 3; i++) {
    tsfpm.signal('SIGUSR2');
    await tsfpm.log.expect(/Reloading in progress/);
    renameSync(log, `${log}.${i}`);
    tsfpm.signal('SIGUSR1');
    await tsfpm.log.expect(/re-opened\n[\s\S]*ready to handle connections\n/);
  }
  tsfpm.signal('SIGUSR1');
  await tsfpm.log.expect(/re-opened\n/);
  await reload(tsfpm);
});
