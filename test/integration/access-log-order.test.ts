import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { killProcess } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

// Each request is sent when the one before it has been answered: any other order in the log is wrong.

const LOG = { 'access.log': '{folder}/access.log', 'access.format': '%q' };
const FILES = {
  'i.php': '<?php echo "ok";',
  'slow.php': '<?php while (!file_exists("../marks/go")) { clearstatcache(); usleep(10000); } echo "ok";',
};
const query = (text: string) => ({ params: { QUERY_STRING: text } });
const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n));

function untilLines(tsfpm: Daemon, count: number): Promise<string[]> {
  const path = tsfpm.folder.at('access.log');
  const lines = () => (existsSync(path) ? readFileSync(path, 'latin1').split('\n').slice(0, -1) : []);
  return until(`${count} lines`, () => lines().length >= count && lines());
}

test('200 requests one after the other over four workers are logged in their order', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...LOG, 'pm.max_children': 4 } }, files: FILES });
  for (let n = 0; n < 200; n++) await tsfpm.get('i.php', query(`${n}`));
  assert.deepEqual(await untilLines(tsfpm, 200), numbers(200));
});

test('pools that share a file are logged in the order of their requests', async (t) => {
  const names = ['one', 'two', 'three'];
  const pool = { ...LOG, 'pm.max_children': 2 };
  const tsfpm = await startTsfpm(t, { pools: { one: pool, two: pool, three: pool }, files: FILES });
  for (let n = 0; n < 300; n++)
    await tsfpm.get('i.php', { ...query(`${n}`), pool: names[n % names.length] ?? '' });
  assert.deepEqual(await untilLines(tsfpm, 300), numbers(300));
});

test('a reload and an upgrade in place keep the order: generations share the file', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...LOG, 'pm.max_children': 4 } }, files: FILES });
  let sent = 0;
  const ask = async (count: number) => {
    for (let n = 0; n < count; n++) await tsfpm.get('i.php', query(`${sent++}`));
  };
  await ask(30);
  tsfpm.signal('SIGUSR2');
  await ask(60);
  await tsfpm.expectLog(/ready to handle connections/);
  await ask(30);
  const slow = tsfpm.get('slow.php', query('slow'));
  const upgraded = tsfpmCommand(tsfpm, 'upgrade');
  await ask(30);
  assert.equal((await upgraded).code, 0);
  await ask(60);
  const slowAt = sent;
  writeFileSync(tsfpm.folder.at('marks/go'), '');
  await slow;
  await ask(10);
  const expected = numbers(sent);
  expected.splice(slowAt, 0, 'slow');
  assert.deepEqual(await untilLines(tsfpm, sent + 1), expected);
});

test('the order holds where the zygote has been killed and its workers finish', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...LOG, 'pm.max_children': 2 } }, files: FILES });
  tsfpm.announce(/zygote/);
  const slow = tsfpm.get('slow.php', query('slow'));
  await tsfpm.get('i.php', query('before'));
  killProcess(tsfpm.zygote() ?? 0);
  writeFileSync(tsfpm.folder.at('marks/go'), '');
  await slow;
  await tsfpm.get('i.php', query('after'));
  assert.deepEqual(await untilLines(tsfpm, 3), ['before', 'slow', 'after']);
});

test('a stop right behind a request leaves nothing unwritten', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...LOG, 'pm.max_children': 4 } }, files: FILES });
  for (let n = 0; n < 20; n++) await tsfpm.get('i.php', query(`${n}`));
  await tsfpm.stop();
  assert.deepEqual(await untilLines(tsfpm, 20), numbers(20));
});
