import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Bytes, Pid } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { isRoot, type Settings } from '../helpers/daemon-folder.js';
import { PID_PHP } from '../helpers/probes.js';
import { descriptorsOf } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

// What the tenant of one pool can do to another pool that was forked from the same template: nothing.

const PAGE = 4096;
const POOLS = ['one', 'two', 'three'] as const;

/** Every lock that is to be had of the bytes that opcache locks, in a file without a name; held for some milliseconds. */
const LOCK_PHP = `<?php
if (!class_exists('FFI')) die(json_encode(null));
$c = FFI::cdef('struct flock { short type, whence; long start, len; int pid; }; int fcntl(int fd, int cmd, ...);');
$locked = [];
for ($fd = 3; $fd < 256; $fd++) {
  if (strpos((string) @readlink("/proc/self/fd/$fd"), '(deleted)') === false) continue;
  $lock = $c->new('struct flock'); $lock->type = 1; $lock->len = 3;
  if ($c->fcntl($fd, 6, FFI::addr($lock)) === 0) $locked[] = $fd;
}
touch(__DIR__ . '/../marks/locked');
usleep(1000 * (int) $_GET['ms']);
echo json_encode($locked);`;

const FILL_PHP = `<?php
$folder = sys_get_temp_dir() . '/fill' . getmypid(); mkdir($folder);
for ($i = 0; $i < 400 && opcache_get_status(false)['memory_usage']['free_memory'] > 200000; $i++) {
  $file = "$folder/$i.php";
  file_put_contents($file, '<?php return [' . implode(',', array_map(fn($j) => "'$i-$j'", range(1, 4000))) . '];');
  touch($file, time() - 100);
  opcache_compile_file($file);
  unlink($file);
}
rmdir($folder);
echo json_encode(opcache_get_status(false)['memory_usage']['free_memory']);`;

const OPCACHE_PHP = `<?php
$status = opcache_get_status(true);
echo json_encode([
  'free' => $status['memory_usage']['free_memory'],
  'scripts' => array_map('basename', array_keys($status['scripts'] ?? [])),
]);`;

const APCU_PHP = `<?php
if (!function_exists('apcu_store')) die(json_encode('no apcu'));
if (isset($_GET['store'])) apcu_store('key', $_GET['store']);
echo json_encode(apcu_fetch('key'));`;

interface Opcache {
  readonly free: Bytes;
  readonly scripts: readonly string[];
}

const files = {
  'pid.php': PID_PHP,
  'lock.php': LOCK_PHP,
  'fill.php': FILL_PHP,
  'opcache.php': OPCACHE_PHP,
  'apcu.php': APCU_PHP,
  'crash.php': '<?php opcache_compile_file(__DIR__ . "/pid.php"); posix_kill(getmypid(), SIGSEGV); sleep(5);',
};

function start(t: TestContext, settings: Settings = {}, global: Settings = {}): Promise<Daemon> {
  const common = {
    'pm.max_children': 2,
    'php_admin_value[opcache.file_update_protection]': '0',
    rlimit_core: 0,
    ...settings,
  };
  return startTsfpm(t, { files, global, pools: Object.fromEntries(POOLS.map((name) => [name, common])) });
}

function familyOf(tsfpm: Daemon, pool: string): Pid[] {
  const zygote = tsfpm.zygote(pool);
  assert.ok(zygote !== undefined);
  return [zygote, ...tsfpm.workers(pool)];
}

function templateOf(tsfpm: Daemon): Pid {
  const [template] = tsfpm.family().filter(({ title }) => title === 'tsfpm: template');
  assert.ok(template !== undefined, 'there is a template');
  return template.pid;
}

/** Every two families of processes that no tenant has in common: those of the pools, and the template. */
function pairs(tsfpm: Daemon): [Pid[], Pid[]][] {
  const families = [[templateOf(tsfpm)], ...POOLS.map((pool) => familyOf(tsfpm, pool))];
  return families.flatMap((one, i) => families.slice(i + 1).map((other): [Pid[], Pid[]] => [one, other]));
}

/** Numbers of the page frames behind memory that a process shares and may write to. */
function writableFrames(pid: Pid): bigint[] {
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  try {
    return [...maps.matchAll(/^(?<from>[0-9a-f]+)-(?<to>[0-9a-f]+) .w.s /gm)].flatMap(({ groups }) => {
      const [from, to] = [groups?.from, groups?.to].map(
        (address) => Number.parseInt(address ?? '', 16) / PAGE,
      );
      return framesBetween(pagemap, from ?? 0, to ?? 0);
    });
  } finally {
    closeSync(pagemap);
  }
}

/** @see proc_pid_pagemap(5) */
function framesBetween(pagemap: number, from: number, to: number): bigint[] {
  const entries = Buffer.alloc(8 * (to - from));
  const length = readSync(pagemap, entries, 0, entries.length, 8 * from);
  const frames: bigint[] = [];
  for (let at = 0; at < length; at += 8) {
    const entry = entries.readBigUInt64LE(at);
    const frame = entry & ((1n << 55n) - 1n);
    if (entry >> 63n === 1n && frame !== 0n) frames.push(frame);
  }
  return frames;
}

test('no page that one pool can write is another’s, nor the template’s', {
  skip: isRoot ? false : 'needs root, to whom the kernel tells page frames',
}, async (t) => {
  const tsfpm = await start(t);
  for (const pool of POOLS) for (let i = 0; i < 4; i++) await tsfpm.get('opcache.php', { pool });
  for (const [one, other] of pairs(tsfpm)) {
    const [frames, others] = [one, other].map((family) => new Set(family.flatMap(writableFrames)));
    assert.ok(frames !== undefined && others !== undefined && frames.size > 100 && others.size > 100);
    assert.deepEqual(
      [...frames].filter((frame) => others.has(frame)),
      [],
    );
  }
});

test('no descriptor of one pool is another’s, nor the template’s', async (t) => {
  const tsfpm = await start(t);
  for (const [one, other] of pairs(tsfpm)) {
    const others = new Set(other.flatMap(openFiles));
    assert.deepEqual(
      one.flatMap(openFiles).filter((file) => others.has(file)),
      [],
    );
  }
});

/** Device and inode of each open file; but of devices, and of kinds of which all have one inode. */
function openFiles(pid: Pid): string[] {
  return [...descriptorsOf(pid)].flatMap(([fd, kind]) => {
    if (/^\/dev\/|^anon_inode:/.test(kind)) return [];
    const { dev, ino } = statSync(`/proc/${pid}/fd/${fd}`);
    return [`${dev}:${ino} ${kind}`];
  });
}

test('a lock that a tenant takes on opcache’s file keeps no other pool waiting', async (t) => {
  const tsfpm = await start(t, { 'php_admin_value[ffi.enable]': '1', 'process.dumpable': 'yes' });
  const ask = (pool: string, ms: number) =>
    tsfpm.getJson<number[] | null>('lock.php', { pool, params: { QUERY_STRING: `ms=${ms}` } });
  const free = await ask('three', 0);
  if (free === null) return t.skip('needs FFI');
  assert.ok(free.length > 0);
  rmSync(tsfpm.folder.at('marks/locked'));
  const holding = ask('two', 3000);
  await until('it is locked', () => existsSync(tsfpm.folder.at('marks/locked')));
  const [own, others] = [await ask('two', 0), await ask('three', 0)];
  assert.deepEqual(others, free);
  assert.ok((own?.length ?? 0) < free.length, 'it is locked for the pool itself');
  assert.deepEqual(await holding, free);
});

test('an opcache that one tenant fills takes scripts of other pools', async (t) => {
  const tsfpm = await start(t, {
    'php_admin_value[opcache.memory_consumption]': '16',
    'php_admin_value[opcache.interned_strings_buffer]': '4',
  });
  const left = await tsfpm.getJson<Bytes>('fill.php', { pool: 'two' });
  assert.ok(left <= 200_000);
  await tsfpm.get('pid.php', { pool: 'three' });
  const { free, scripts } = await tsfpm.getJson<Opcache>('opcache.php', { pool: 'three' });
  assert.ok(free > 4_000_000);
  assert.ok(scripts.includes('pid.php'));
});

test('workers that crash have an emergency restart give their pool, and no other, a fresh opcache', async (t) => {
  const tsfpm = await start(t, {}, { emergency_restart_threshold: 2, emergency_restart_interval: '1m' });
  tsfpm.announce(/exited on signal 11/, /was lost after/, /failed processes threshold/);
  for (const pool of ['two', 'three']) await tsfpm.get('pid.php', { pool });
  const before = POOLS.map((pool) => tsfpm.zygote(pool));
  for (let i = 0; i < 2; i++) await tsfpm.request('crash.php', { pool: 'two' }).catch(() => {});
  await until('the pool has another zygote', () => {
    const now = tsfpm.zygote('two');
    return now !== undefined && now !== before[1];
  });
  await until('its opcache is fresh', async () => {
    const { scripts } = await tsfpm.getJson<Opcache>('opcache.php', { pool: 'two' });
    return !scripts.includes('pid.php');
  });
  assert.deepEqual([tsfpm.zygote('one'), tsfpm.zygote('three')], [before[0], before[2]]);
  const { scripts } = await tsfpm.getJson<Opcache>('opcache.php', { pool: 'three' });
  assert.ok(scripts.includes('pid.php'));
});

test('a worker that is killed while it writes to opcache’s memory leaves other pools untouched', async (t) => {
  const tsfpm = await start(t);
  tsfpm.announce(/exited on signal 9/, /was lost after/);
  const functions = Array.from({ length: 50_000 }, (_, i) => `function f${i}($a) { return $a . '${i}'; }`);
  tsfpm.folder.writeScript(
    'huge.php',
    `<?php if (!function_exists('f1')) { ${functions.join('\n')} } echo 'done';`,
  );
  await tsfpm.get('pid.php', { pool: 'three' });
  const workers = tsfpm.workers('two');
  const lost = tsfpm.request('huge.php', { pool: 'two' }).catch(() => {});
  const deadlineMs = performance.now() + 20_000;
  let worker: Pid | undefined;
  while (worker === undefined) {
    assert.ok(performance.now() < deadlineMs, 'a worker writes to opcache');
    await nextTurn();
    worker = workers.find(holdsWriteLock);
  }
  process.kill(worker, 'SIGSTOP');
  await until('it is stopped', () => /^State:\tT/m.test(readFileSync(`/proc/${worker}/status`, 'latin1')));
  assert.ok(holdsWriteLock(worker), 'in the middle of it');
  await tsfpm.get('opcache.php', { pool: 'three' }); // is compiled, and written there
  const status = () => tsfpm.getJson<Opcache>('opcache.php', { pool: 'three' });
  const { scripts } = await status();
  for (const script of ['pid.php', 'opcache.php']) assert.ok(scripts.includes(script), script);
  process.kill(worker, 'SIGKILL');
  await lost;
  for (const pool of POOLS) assert.match(await tsfpm.get('pid.php', { pool }), /^\d+$/);
  assert.deepEqual((await status()).scripts.toSorted(), scripts.toSorted());
});

/** @see proc_locks(5) */
function holdsWriteLock(pid: Pid): boolean {
  return new RegExp(`^\\d+: POSIX  ADVISORY  WRITE ${pid} `, 'm').test(readFileSync('/proc/locks', 'latin1'));
}

test('what one pool stores in APCu is in no other pool’s', async (t) => {
  const tsfpm = await start(t);
  const ask = (pool: string, query: string) =>
    tsfpm.getJson<string | false>('apcu.php', { pool, params: { QUERY_STRING: query } });
  const stored = await ask('two', 'store=secret');
  if (stored === 'no apcu') return t.skip('needs the extension apcu');
  assert.equal(stored, 'secret');
  assert.equal(await ask('two', ''), 'secret');
  assert.equal(await ask('three', ''), false);
  await ask('three', 'store=other');
  assert.equal(await ask('two', ''), 'secret');
});
