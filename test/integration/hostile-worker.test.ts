import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import {
  CONTROL_VERSION,
  FRAME_FIELDS,
  FRAME_HEADER_SIZE,
  FRAME_TYPES,
} from '../../src/zygote/control-frames.js';
import { type Daemon, runTsfpm, startTsfpm } from '../helpers/daemon.js';
import { MEMORY_PHP } from '../helpers/own-memory.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive, killProcess, privateBytesOf } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

const files = {
  'pid.php': PID_PHP,
  'scribble.php': `<?php ${MEMORY_PHP}
    [$from, $to] = scoreboard();
    for ($i = 0; $i < 20; $i++) { poke($from, random_bytes($to - $from)); usleep(2000); }
    echo 'done';`,
  // Every slot: this pid, as if it were idle; and the same in a slot that may not exist.
  'pose.php': `<?php ${MEMORY_PHP}
    [$from, $to] = scoreboard();
    for ($slot = $from + 4096; $slot < $to; $slot += 8192) poke($slot, pack('VVV', 2, $_GET['pid'], 1));
    echo 'done';`,
  // The header without the word that makes workers leave: sums, sizes and the idle count.
  'header.php': `<?php ${MEMORY_PHP}
    [$from] = scoreboard();
    poke($from, random_bytes(24));
    poke($from + 32, random_bytes(24));
    poke($from + 120, pack('V', $_GET['idle']));
    echo 'done';`,
  'flood.php': `<?php
    $noise = str_replace("\\n", ' ', random_bytes(1 << 20));
    foreach (['php://stdout', 'php://stderr'] as $name) {
      $stream = fopen($name, 'w');
      for ($i = 0; $i < 10; $i++) fwrite($stream, $noise);
    }
    echo 'done';`,
  'descriptors.php': `<?php
    foreach (scandir('/proc/self/fd') as $fd) {
      if (!is_numeric($fd)) continue;
      $stream = @fopen("/proc/self/fd/$fd", 'r+b') ?: @fopen("/proc/self/fd/$fd", 'wb');
      if ($stream) { stream_set_blocking($stream, false); @fwrite($stream, random_bytes(65536)); }
    }
    $in = fopen('php://stdin', 'r'); stream_set_blocking($in, false); @fwrite($in, 'x');
    echo 'done';`,
};

const pools = {
  evil: { 'access.log': '{folder}/evil.log', 'process.dumpable': 'yes', 'pm.max_children': 2 },
  good: { 'pm.max_children': 2 },
};

/** A file takes all; a stderr that is read too slowly loses lines, which the log then tells. */
const FLOODED = { arguments: [], logTo: 'file' } as const;

/** What a hostile pool must not change: the other pool, the zygotes, the master. */
async function assertUnharmed(tsfpm: Daemon, act: () => Promise<void>): Promise<void> {
  const before = [tsfpm.zygote('good'), tsfpm.zygote('evil'), ...tsfpm.workers('good')];
  await act();
  for (let i = 0; i < 5; i++) await tsfpm.get('pid.php', { pool: 'good' });
  assert.deepEqual([tsfpm.zygote('good'), tsfpm.zygote('evil'), ...tsfpm.workers('good')], before);
  assert.equal(tsfpm.hasEnded, false);
}

const query = (text: string) => ({ pool: 'evil', params: { QUERY_STRING: text }, timeoutMs: 5000 });
/** What the evil pool itself suffers is its own affair. */
const whatever = (request: Promise<unknown>) => request.catch(() => undefined);

test('random bytes all over the scoreboard harm nobody else', async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files });
  tsfpm.announce(/\[pool evil\] child/);
  await assertUnharmed(tsfpm, async () => {
    assert.equal((await tsfpm.request('scribble.php', { pool: 'evil' })).text, 'done');
    for (let i = 0; i < 5; i++)
      await whatever(tsfpm.request('scribble.php', { pool: 'evil', timeoutMs: 1000 }));
  });
  assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
});

for (const signal of ['SIGTERM', 'SIGQUIT'] as const)
  test(`a foreign pid in a slot is not signalled when ${signal} ends the daemon`, async (t) => {
    const victim = spawn('sleep', ['120']);
    t.after(() => victim.kill('SIGKILL'));
    const tsfpm = await startTsfpm(t, { pools, files, global: { process_control_timeout: 2 } });
    tsfpm.announce(/\[pool evil\] child/);
    await assertUnharmed(tsfpm, async () => {
      for (let i = 0; i < 4; i++)
        assert.equal(await tsfpm.get('pose.php', query(`pid=${victim.pid}`)), 'done');
      // A slot that lies is also freed and taken anew.
      const [first = 0] = tsfpm.workers('evil');
      killProcess(first);
      await until('it is gone', () => !tsfpm.workers('evil').includes(first));
      await tsfpm.untilWorkers(2, 'evil');
      await tsfpm.get('pose.php', query(`pid=${victim.pid}`));
    });
    assert.deepEqual(await tsfpm.stop(signal), { code: 0, signal: null });
    assert.ok(isAlive(victim.pid ?? 0));
  });

test('lies in the header about sizes, sums and idle workers harm nobody else, nor keep the pool from serving', async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files });
  await assertUnharmed(tsfpm, async () => {
    for (const idle of ['0', '2147483647', '4294967295'])
      assert.equal(await tsfpm.get('header.php', query(`idle=${idle}`)), 'done');
    tsfpm.announce(/\[pool evil\] child/);
    const [victim = 0] = tsfpm.workers('evil');
    killProcess(victim);
    await until('it is gone', () => !tsfpm.workers('evil').includes(victim));
    await tsfpm.untilWorkers(2, 'evil');
    await tsfpm.get('pid.php', { pool: 'evil' });
  });
});

test('10 MB of binary output without a newline on each stream is passed on in bounded memory', async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files, ...FLOODED });
  const before = privateBytesOf(tsfpm.pid);
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, privateBytesOf(tsfpm.pid));
  }, 20);
  t.after(() => clearInterval(sampler));
  await assertUnharmed(tsfpm, async () => {
    for (let i = 0; i < 3; i++) assert.equal(await tsfpm.get('flood.php', { pool: 'evil' }), 'done');
  });
  clearInterval(sampler);
  assert.ok(most - before < 64 << 20, `from ${before >> 20} to ${most >> 20} MiB`);
});

test('garbage into every descriptor that a script can open harms nobody else, nor the next request', async (t) => {
  const tsfpm = await startTsfpm(t, { pools, files });
  await assertUnharmed(tsfpm, async () => {
    for (let i = 0; i < 6; i++)
      await whatever(tsfpm.request('descriptors.php', { pool: 'evil', timeoutMs: 3000 }));
  });
  await tsfpm.get('pid.php', { pool: 'evil' });
});

test('native code that writes garbage into every descriptor harms nobody else', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { ...pools, evil: { ...pools.evil, 'php_admin_value[ffi.enable]': '1' } },
    ...FLOODED,
    files: {
      ...files,
      'native.php': `<?php
        if (!extension_loaded('ffi')) die('no FFI');
        $c = FFI::cdef('long write(int fd, const char *bytes, size_t n); int fcntl(int fd, int command, int flags);');
        $noise = random_bytes(65536);
        for ($fd = 0; $fd < 2048; $fd++) { $c->fcntl($fd, 4, 2048); $c->write($fd, $noise, 65536); }
        echo 'done';`,
    },
  });
  tsfpm.announce(/\[pool evil\] child/);
  const first = await tsfpm.request('native.php', { pool: 'evil', timeoutMs: 3000 }).catch(() => undefined);
  if (first?.text === 'no FFI') {
    t.skip('this php-cgi has no FFI');
    return;
  }
  await assertUnharmed(tsfpm, async () => {
    for (let i = 0; i < 4; i++)
      await whatever(tsfpm.request('native.php', { pool: 'evil', timeoutMs: 3000 }));
  });
  // O_NONBLOCK on the shared listening socket is one of the traps that are known.
  await tsfpm.get('pid.php', { pool: 'evil' });
});

test('the end of a worker is seen at once though a program still holds its output', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { evil: { 'pm.max_children': 1 } },
    files: {
      ...files,
      'leave.php': `<?php
        $p = proc_open(['sh', '-c', 'sleep 30 & echo $! >&3'], [3 => ['pipe', 'w']], $pipes);
        echo trim(fgets($pipes[3])); `,
      'die.php': '<?php posix_kill(getmypid(), SIGKILL); sleep(5);',
    },
  });
  tsfpm.announce(/exited on signal 9/);
  const left = Number(await tsfpm.get('leave.php'));
  assert.ok(isAlive(left));
  const [worker] = tsfpm.workers();
  await whatever(tsfpm.request('die.php'));
  await tsfpm.expectLog(new RegExp(`child ${worker} exited on signal 9`));
  await tsfpm.get('pid.php');
  killProcess(left);
  await until('it is gone', () => !isAlive(left));
});

/** The head of a frame, as octal for printf(1). */
function frameHead(type: number, slot: number, pid: number): string {
  const bytes = Buffer.alloc(FRAME_HEADER_SIZE);
  bytes.set(new Uint8Array(Uint16Array.of(type, CONTROL_VERSION).buffer), FRAME_FIELDS.type);
  bytes.set(new Uint8Array(Int32Array.of(slot, pid).buffer), FRAME_FIELDS.slot);
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}

for (const [name, answer, reason] of [
  ['garbage', 'x'.repeat(100), 'a frame of 2021161080 bytes'],
  ['a frame of no known type', frameHead(99, -1, 0), 'a frame of unknown type 99'],
  ['a fork that was not asked for', frameHead(FRAME_TYPES.FORKED, 0, 1), 'slot 0 is not forking'],
] as const)
  test(`a php-cgi that answers with ${name} is refused`, async (t) => {
    const run = await runTsfpm(t, {
      pools: { www: { php_cgi: '{folder}/www/php' } },
      files: { php: `#!/bin/sh\nprintf '${answer}' >&3\nsleep 20\n` },
    });
    assert.equal(run.code, 78, run.stderr);
    assert.ok(run.stderr.includes(`broke the control protocol (${reason}) and was killed`), run.stderr);
  });
