import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Count, Pid } from '../../src/units.js';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FaultInjection } from '../helpers/faults.js';
import { startAsOrdinaryUser, unlessOrdinary } from '../helpers/ordinary-user.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive, killProcess, programAddress } from '../helpers/processes.js';
import { reload } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';

// Whatever happens to a template, pools are served.

const withoutStrace =
  spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace, which injects the faults';

const POOLS = ['one', 'two', 'three'];
const OPTIONS = {
  files: { 'pid.php': PID_PHP },
  pools: Object.fromEntries(POOLS.map((name) => [name, { 'pm.max_children': 1 }])),
};

async function start(t: TestContext): Promise<Daemon> {
  const tsfpm = await startTsfpm(t, OPTIONS);
  tsfpm.announce(/zygote \d+ exited on signal 9/, /WARNING: template \d+ of php-cgi/);
  return tsfpm;
}

function templates(tsfpm: Daemon): Pid[] {
  return tsfpm.family().flatMap(({ pid, title }) => (title === 'tsfpm: template' ? [pid] : []));
}

function templateOf(tsfpm: Daemon): Pid {
  const [pid, ...others] = templates(tsfpm);
  assert.ok(pid !== undefined, 'there is a template');
  assert.deepEqual(others, []);
  return pid;
}

/** Kills the zygote of a pool, and waits until the pool has another one that serves. */
async function replaceZygote(tsfpm: Daemon, pool: string): Promise<void> {
  const before = tsfpm.zygote(pool);
  assert.ok(before !== undefined);
  killProcess(before);
  await until(`pool ${pool} has another zygote`, () => {
    const now = tsfpm.zygote(pool);
    return now !== undefined && now !== before && tsfpm.workers(pool).length === 1;
  });
  await untilOneZygote(tsfpm, pool);
  assert.equal(Number(await tsfpm.get('pid.php', { pool })), tsfpm.workers(pool)[0]);
}

async function untilOneZygote(tsfpm: Daemon, pool: string): Promise<void> {
  const count = (): Count => tsfpm.family().filter(({ title }) => title === `tsfpm: zygote ${pool}`).length;
  await until(`pool ${pool} has one zygote`, () => count() === 1);
}

/** Children of the master that have ended and were not reaped. */
function zombies(tsfpm: Daemon): string[] {
  return readFileSync(`/proc/${tsfpm.pid}/task/${tsfpm.pid}/children`, 'latin1')
    .split(' ')
    .filter((pid) => pid !== '' && stateOf(Number(pid)) === 'Z');
}

function stateOf(pid: Pid): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0];
  } catch {
    return undefined;
  }
}

test('a template that hangs is killed, and the pool that waits for it has a php-cgi of its own', async (t) => {
  const tsfpm = await start(t);
  const template = templateOf(tsfpm);
  process.kill(template, 'SIGSTOP');
  await replaceZygote(tsfpm, 'two');
  await tsfpm.expectLog(/template \d+ of php-cgi '.*' ended: it did not answer within 3 s/);
  assert.ok(!isAlive(template));
  await replaceZygote(tsfpm, 'three');
  templateOf(tsfpm);
});

test('a template that hangs does not outlive a reload', async (t) => {
  const tsfpm = await start(t);
  const template = templateOf(tsfpm);
  process.kill(template, 'SIGSTOP');
  await reload(tsfpm);
  await until('the stopped one is killed', () => !isAlive(template));
  for (const pool of POOLS) await tsfpm.get('pid.php', { pool });
});

test('a template that is killed while a pool waits for its fork leaves the pool one zygote', async (t) => {
  const tsfpm = await start(t);
  const template = templateOf(tsfpm);
  process.kill(template, 'SIGSTOP');
  const before = tsfpm.zygote('two');
  assert.ok(before !== undefined);
  killProcess(before);
  await until('its zygote is gone', () => !isAlive(before));
  killProcess(template);
  await tsfpm.untilWorkers(1, 'two');
  await until('it has another', () => tsfpm.zygote('two') !== undefined && tsfpm.zygote('two') !== before);
  await untilOneZygote(tsfpm, 'two');
  await tsfpm.get('pid.php', { pool: 'two' });
  await tsfpm.settle();
});

test('a template that dies after its fork and before its answer leaves the pool that one zygote', {
  skip: withoutStrace,
}, async (t) => {
  const tsfpm = await start(t);
  const template = templateOf(tsfpm);
  const address = programAddress(template);
  const before = tsfpm.zygote('two');
  const injection = await FaultInjection.into(template, [
    { call: 'sendmsg', error: 'EPERM:signal=SIGKILL', when: undefined },
  ]);
  await replaceZygote(tsfpm, 'two');
  await injection.end();
  await until('the template is gone', () => !isAlive(template));
  const zygote = tsfpm.zygote('two');
  assert.ok(zygote !== undefined && zygote !== before);
  assert.equal(programAddress(zygote), address, 'it is a fork of that template');
  await tsfpm.settle();
});

test('a stop leaves no template behind that hangs', async (t) => {
  const tsfpm = await start(t);
  process.kill(templateOf(tsfpm), 'SIGSTOP');
  const before = tsfpm.zygote('two');
  assert.ok(before !== undefined);
  killProcess(before);
  await until('its zygote is gone, and another is to be forked', () => !isAlive(before));
  const startedAtMs = performance.now();
  assert.equal((await tsfpm.stop('SIGTERM')).code, 0);
  assert.ok(performance.now() - startedAtMs < 3000, 'nothing waits for an answer of it');
  await until('it is gone', () => templates(tsfpm).length === 0);
});

test('a master that is killed takes along a template that hangs', async (t) => {
  const tsfpm = await startTsfpm(t, { ...OPTIONS, isUnchecked: true });
  process.kill(templateOf(tsfpm), 'SIGSTOP');
  killProcess(tsfpm.pid);
  await until('everything has ended', () => tsfpm.family().length === 0);
});

test('an upgrade in place ends the templates of the program before, and reaps them', async (t) => {
  const tsfpm = await start(t);
  const template = templateOf(tsfpm);
  const { code, stdout } = await tsfpmCommand(tsfpm, 'upgrade');
  assert.equal(code, 0, stdout);
  await tsfpm.log.expect(/NOTICE: upgrading: execve.*[\s\S]*NOTICE: ready to handle connections\n/);
  await until('the template has ended', () => stateOf(template) === undefined);
  await until('another is there', () => templates(tsfpm).length === 1);
  for (const pool of POOLS) await tsfpm.get('pid.php', { pool });
  await until('nothing is left to reap', () => zombies(tsfpm).length === 0);
});

test('pools that are removed end their template with the last but one', async (t) => {
  const tsfpm = await startTsfpm(t, { ...OPTIONS, isUnchecked: true });
  const template = templateOf(tsfpm);
  tsfpm.folder.writePieces({ ...OPTIONS, pools: { one: OPTIONS.pools.one ?? {} } });
  await reload(tsfpm);
  await until('no template is left', () => templates(tsfpm).length === 0 && !isAlive(template));
  await tsfpm.get('pid.php', { pool: 'one' });
  await until('nothing is left to reap', () => zombies(tsfpm).length === 0);
  assert.equal((await tsfpm.stop('SIGTERM')).code, 0);
});

test('an ordinary user’s pools are forked from a template, and have memory of their own', {
  skip: unlessOrdinary,
}, async (t) => {
  const tsfpm = await startAsOrdinaryUser(t, {
    files: OPTIONS.files,
    pools: Object.fromEntries(POOLS.map((name) => [name, { 'pm.max_children': 1, user: undefined }])),
  });
  templateOf(tsfpm);
  for (const pool of POOLS) await tsfpm.get('pid.php', { pool });
  const memory = POOLS.map((pool) => anonymousShared(tsfpm.zygote(pool)));
  assert.equal(new Set(memory.flat()).size, memory.flat().length);
});

/** Inodes of shared memory without a name. */
function anonymousShared(pid: Pid | undefined): string[] {
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
  const found = [...maps.matchAll(/^\S+ rw-s \S+ \S+ (?<inode>[0-9]+) +\/dev\/zero/gm)];
  assert.ok(found.length > 0);
  return found.map(({ groups }) => groups?.inode ?? '');
}

for (const [call, error] of [
  ['clone', 'EAGAIN'],
  ['clone', 'ENOSYS'],
] as const)
  test(`a template whose ${call}() fails with ${error} leaves the pool a php-cgi of its own`, {
    skip: withoutStrace,
  }, async (t) => {
    const tsfpm = await start(t);
    const injection = await FaultInjection.into(templateOf(tsfpm), [{ call, error, when: undefined }]);
    await replaceZygote(tsfpm, 'two');
    const refused = await injection.end();
    assert.ok(refused(call) > 0);
    await replaceZygote(tsfpm, 'two');
  });
