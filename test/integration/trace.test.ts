import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { startTsfpm } from '../helpers/daemon.js';
import { until } from '../helpers/wait.js';

const files = {
  'wait.php': `<?php
class Waiter { function wait() { while (!file_exists($_GET['until'])) usleep(20000); } }
(new Waiter)->wait();
echo 'done';`,
  'work.php': `<?php
function odd($n) { return $n === 0 ? 0 : even($n - 1); }
function even($n) { return $n === 0 ? 1 : odd($n - 1); }
while (!file_exists($_GET['until'])) for ($i = 0; $i < 2000; $i++) odd(5);
echo 'done';`,
};

test('trace shows where the workers of a pool are, and one of them by its pid', async (t) => {
  const daemon = await startTsfpm(t, { files, pools: { www: { 'pm.max_children': 2 }, idle: {} } });
  const mark = daemon.folder.at('marks/go');
  const answer = daemon.get('wait.php', {
    params: { QUERY_STRING: `until=${mark}`, SCRIPT_NAME: '/wait.php' },
  });
  const script = daemon.folder.script('wait.php');
  const { stdout } = await until('the request is running', async () => {
    const shown = await tsfpmCommand(daemon, 'trace', 'www');
    return shown.code === 0 && shown.stdout.includes('usleep()') && shown;
  });
  const [head, ...frames] = stdout.trimEnd().split('\n');
  const pid = Number(/child (\d+)/.exec(head ?? '')?.[1]);
  assert.ok(daemon.workers().includes(pid));
  assert.match(
    head ?? '',
    /^\[pool www\] child \d+, script '\S+\/wait\.php' \(request: "GET \/wait\.php\?until=\S+"\) for \d+\.\d{6} sec$/,
  );
  assert.deepEqual(
    frames.map((frame) => frame.replace(/^\[0x[0-9a-f]{16}\] /, '')),
    [`usleep() ${script}:2`, `Waiter::wait() ${script}:3`],
  );
  const json = JSON.parse((await tsfpmCommand(daemon, 'trace', String(pid), '--json')).stdout);
  assert.equal(json.result.data.workers[0].pid, pid);
  assert.equal(json.result.data.workers[0].frames.at(-1).name, 'Waiter::wait');

  const other = daemon.workers().find((worker) => worker !== pid);
  for (const [target, reason] of [
    ['nobody', "tsfpm: there is no pool and no worker 'nobody'; pools: www, idle\n"],
    [String(daemon.zygote()), /there is no pool and no worker '\d+'/],
    ['idle', 'tsfpm: pool idle: none of its 2 workers has a request in hand\n'],
    [String(other), `tsfpm: worker ${other} of pool www is idle\n`],
  ] as const) {
    const { code, err: stderr, out } = await tsfpmCommand(daemon, 'trace', target);
    assert.deepEqual([code, out], [1, '']);
    if (typeof reason === 'string') assert.equal(stderr, reason);
    else assert.match(stderr, reason);
  }
  daemon.folder.writeScript('../marks/go', '');
  assert.equal(await answer, 'done');
});

test('trace --sample counts stacks for flame graphs', async (t) => {
  const daemon = await startTsfpm(t, { files, pools: { www: { 'pm.max_children': 1 } } });
  const mark = daemon.folder.at('marks/go');
  const answer = daemon.get('work.php', { params: { QUERY_STRING: `until=${mark}` } });
  await until('the request is running', async () => (await tsfpmCommand(daemon, 'trace', 'www')).code === 0);
  const file = daemon.folder.at('stacks.txt');
  const sampled = await tsfpmCommand(daemon, 'trace', 'www', '--sample', '1.5s', '--output', file);
  assert.equal(sampled.code, 0, sampled.err);
  assert.equal(sampled.out, '');
  const script = daemon.folder.script('work.php');
  const stacks = readFileSync(file, 'utf8').trimEnd().split('\n');
  for (const stack of stacks) {
    assert.ok(stack.startsWith(script), stack);
    assert.match(
      stack.slice(script.length),
      /^(;file_exists|;odd(;even(;odd(;even(;odd(;even)?)?)?)?)?)? \d+$/,
    );
  }
  const total = stacks.reduce((sum, stack) => sum + Number(stack.slice(stack.lastIndexOf(' '))), 0);
  assert.match(sampled.err, new RegExp(`tsfpm: ${total} stacks, \\d+ looks`));
  assert.ok(total > 5, `${total} stacks`);

  const piped = await tsfpmCommand(daemon, 'trace', 'www', '--sample', '200ms', '--hz', '20');
  assert.equal(piped.code, 0, piped.err);
  assert.match(piped.out, /^\S+work\.php(;\w+)* \d+\n/);
  daemon.folder.writeScript('../marks/go', '');
  assert.equal(await answer, 'done');
  const nothing = await tsfpmCommand(daemon, 'trace', 'www', '--sample', '100ms');
  assert.deepEqual([nothing.code, nothing.out], [1, '']);
  assert.match(nothing.err, /www: no PHP code was being executed in 0\.1 s/);
});
