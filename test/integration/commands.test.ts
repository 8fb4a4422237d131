import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { startTsfpm, TSFPM } from '../helpers/daemon.js';

const files = { 'index.php': '<?php echo getmypid();' };

test('the control socket is beside the pid file and for its owner alone, and goes with the master', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const path = tsfpm.folder.at('tsfpm.control');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await tsfpm.stop('SIGTERM');
  assert.equal(existsSync(path), false);
});

test('status tells of the master and its pools, for people and as JSON', async (t) => {
  const tsfpm = await startTsfpm(t, { files, pools: { www: { 'pm.max_children': 2 }, shop: {} } });
  await tsfpm.request('index.php');
  const people = await tsfpmCommand(tsfpm, 'status');
  assert.equal(people.code, 0);
  assert.match(people.stdout, /ready/);
  assert.match(people.stdout, /^www\s+static\s+1\s+2\s+0\s/m);
  assert.ok(people.stdout.split('\n').every((line) => line.length <= 80));
  const json = JSON.parse((await tsfpmCommand(tsfpm, 'status', '--json')).stdout);
  assert.deepEqual(
    json.pools.map(({ name, requests }: { name: string; requests: number }) => [name, requests]),
    [
      ['www', 1],
      ['shop', 0],
    ],
  );
});

test('a command whose reader has gone goes on to its end; a full disk is told in one line, with 73', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const words = [process.execPath, TSFPM, 'status', '--config', tsfpm.folder.configFile];
  const run = (redirection: string) =>
    spawnSync('bash', ['-c', `"$@" ${redirection}; echo "\${PIPESTATUS[0]}"`, 'bash', ...words], {
      encoding: 'utf8',
    });
  const unread = run('| true');
  assert.deepEqual([unread.stdout, unread.stderr], ['0\n', '']);
  const full = run('> /dev/full');
  assert.equal(full.stdout, '73\n');
  assert.match(full.stderr, /^tsfpm: cannot write to standard output: ENOSPC: .*\n$/);
});

test('reload ends with 0 once new workers serve, and with 1 where the file is refused', async (t) => {
  const tsfpm = await startTsfpm(t, { files, pools: { www: { 'pm.max_children': 1 } } });
  const before = (await tsfpm.request('index.php')).text;
  const good = readFileSync(tsfpm.folder.configFile, 'utf8');
  assert.equal((await tsfpmCommand(tsfpm, 'reload')).code, 0);
  const after = (await tsfpm.request('index.php')).text;
  assert.notEqual(after, before);
  writeFileSync(tsfpm.folder.configFile, `${good}\nnonsense = 1\n`);
  tsfpm.announce(/unknown entry 'nonsense'/, /failed to load configuration/, /ERROR: reload refused/);
  assert.equal((await tsfpmCommand(tsfpm, 'test')).code, 78);
  assert.equal((await tsfpmCommand(tsfpm, 'reload')).code, 1);
  assert.equal((await tsfpm.request('index.php')).text, after);
  writeFileSync(tsfpm.folder.configFile, good);
});

test('stop ends the master; then no command finds one', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const stopped = tsfpm.ended();
  assert.equal((await tsfpmCommand(tsfpm, 'stop')).code, 0);
  assert.deepEqual(await stopped, { code: 0, signal: null });
  assert.equal((await tsfpmCommand(tsfpm, 'status')).code, 69);
});
