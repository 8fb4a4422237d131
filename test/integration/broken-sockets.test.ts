import assert from 'node:assert/strict';
import { closeSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { bindSocket, listenOnSocket, openStreamSocket } from '../../src/os/socket.js';
import { type Daemon, prepareFolder, runIn, startTsfpm } from '../helpers/daemon.js';
import { cpuTime } from '../helpers/master-load.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess } from '../helpers/processes.js';
import { reload } from '../helpers/reload.js';
import { DYNAMIC, ONDEMAND } from '../helpers/scaling-pools.js';
import { freePort } from '../helpers/two-pools.js';
import { until } from '../helpers/wait.js';

/** What a worker can do to the socket that it accepts from; `how` as in shutdown(2), or `copy`. */
const ATTACK_PHP = `<?php
  if (!extension_loaded('ffi')) die('no FFI');
  $c = FFI::cdef('
    int shutdown(int fd, int how); int fcntl(int fd, int command, ...);
    int getsockopt(int fd, int level, int name, int *value, unsigned int *length);');
  $value = FFI::new('int'); $length = FFI::new('unsigned int');
  foreach (scandir('/proc/self/fd') as $fd) {
    $length->cdata = 4; $value->cdata = 0;
    if (!is_numeric($fd) || $c->getsockopt((int) $fd, 1, 30, FFI::addr($value), FFI::addr($length)) !== 0) continue;
    if ($value->cdata !== 1) continue;
    if (isset($_GET['nonblocking'])) $c->fcntl((int) $fd, 4, 2048);
    if ($_GET['how'] !== 'copy') die((string) $c->shutdown((int) $fd, (int) $_GET['how']));
    $c->fcntl((int) $fd, 0, 50); // not closed on exec
    exec('exec sleep 600 >/dev/null 2>&1 & echo $!', $lines);
    die($lines[0]);
  }
  die('no listening socket');`;
const files = { 'pid.php': PID_PHP, 'attack.php': ATTACK_PHP };
const FFI = { 'php_admin_value[ffi.enable]': '1' };
const SHUT_DOWN =
  /ERROR: \[pool www\] the listening socket '\S+' was shut down by one of the pool's processes; .*/;
/** What such an end of workers brings with it. */
const USUAL = [/child \d+ exited/, /children end as soon as they start/];

/** @returns what the script says; false where it cannot be tried */
async function attack(t: TestContext, tsfpm: Daemon, query: string): Promise<string | false> {
  const text = await tsfpm.get('attack.php', { params: { QUERY_STRING: query } });
  if (text === 'no FFI') t.skip('this php-cgi has no FFI');
  else assert.notEqual(text, 'no listening socket');
  return text !== 'no FFI' && text;
}

const untilServed = (tsfpm: Daemon) =>
  until('the pool serves again', () => tsfpm.get('pid.php', { timeoutMs: 2000 }).catch(() => undefined));

const listens: Record<string, () => Promise<string>> = {
  unix: async () => '{folder}/www.sock',
  TCP: async () => `127.0.0.1:${await freePort()}`,
};

for (const [kind, address] of Object.entries(listens))
  for (const [settings, name] of [
    [{}, 'static'],
    [DYNAMIC, 'dynamic'],
    [ONDEMAND, 'ondemand'],
  ] as const)
    test(`a ${kind} socket that a ${name} pool's worker shuts down serves again, with its workers`, async (t) => {
      const pools = { www: { ...settings, ...FFI, listen: await address() }, other: {} };
      const tsfpm = await startTsfpm(t, { pools, files });
      tsfpm.announce(...USUAL);
      const [other] = await tsfpm.untilWorkers(undefined, 'other');
      for (const query of ['how=2', 'how=0', 'how=0&nonblocking']) {
        if ((await attack(t, tsfpm, query)) === false) return;
        const [line] = await tsfpm.expectLog(SHUT_DOWN);
        assert.match(line, kind === 'TCP' ? /it listens again$/ : /bound anew, for a new generation$/);
        await untilServed(tsfpm);
      }
      if (name === 'static') await tsfpm.untilWorkers(2);
      assert.ok(other && tsfpm.workers('other').includes(other), 'the other pool is not concerned');
    });

test('shutting down the sending half alone harms nobody', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: FFI }, files });
  if ((await attack(t, tsfpm, 'how=1')) === false) return;
  for (let i = 0; i < 10; i++) await tsfpm.get('pid.php');
});

test('its file has the same owner and mode as before', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...FFI, 'listen.mode': '0622' } }, files });
  tsfpm.announce(...USUAL);
  const rights = () => {
    const { uid, gid, mode } = statSync(tsfpm.folder.at('www.sock'));
    return { uid, gid, mode };
  };
  const before = rights();
  if ((await attack(t, tsfpm, 'how=2')) === false) return;
  await tsfpm.expectLog(SHUT_DOWN);
  await untilServed(tsfpm);
  assert.deepEqual(rights(), before);
});

test('a socket that systemd lent is put in order, too', async (t) => {
  const folder = prepareFolder(t);
  const path = folder.at('lent.sock');
  const lent = openStreamSocket('unix');
  t.after(() => closeSync(lent));
  bindSocket(lent, { family: 'unix', path });
  listenOnSocket(lent, 16);
  const tsfpm = await startTsfpm(t, { pools: { www: { ...FFI, listen: path } }, files, lent: [lent] });
  tsfpm.announce(...USUAL);
  if ((await attack(t, tsfpm, 'how=2')) === false) return;
  await tsfpm.expectLog(SHUT_DOWN);
  await untilServed(tsfpm);
  // Who lends it goes on to lend the dead one.
  await tsfpm.stop();
  tsfpm.announce(/inherited socket fd=\d+, "\S+" was shut down; binding it anew/);
  await tsfpm.start();
  await tsfpm.get('pid.php');
});

test('a reload finds it at once, however often it has happened', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: FFI }, files });
  tsfpm.announce(...USUAL);
  for (let i = 0; i < 2; i++) {
    if ((await attack(t, tsfpm, 'how=2')) === false) return;
    await tsfpm.expectLog(SHUT_DOWN);
    await untilServed(tsfpm);
  }
  await attack(t, tsfpm, 'how=2'); // its turn would come after seconds
  await reload(tsfpm);
  assert.match(await tsfpm.get('pid.php'), /^\d+$/);
  assert.equal(tsfpm.log.lines.filter((line) => SHUT_DOWN.test(line)).length, 3);
});

test('whoever does it again and again keeps his own pool from serving, and the master idle', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: FFI, other: {} }, files });
  tsfpm.announce(...USUAL, SHUT_DOWN);
  if ((await attack(t, tsfpm, 'how=2')) === false) return;
  const [from, fromCpuMs] = [performance.now(), cpuTime(tsfpm.pid)];
  while (performance.now() - from < 6000) {
    await attack(t, tsfpm, 'how=2').catch(() => undefined);
    await tsfpm.get('pid.php', { pool: 'other' });
  }
  const busy = (cpuTime(tsfpm.pid) - fromCpuMs) / (performance.now() - from);
  assert.ok(busy < 0.4, `the master used ${busy} of a processor`);
  const told = tsfpm.log.lines.filter((line) => SHUT_DOWN.test(line)).length;
  assert.ok(told >= 1 && told <= 5, `told ${told} times`);
});

test('a process that a script has left behind does not keep the address from the next start', async (t) => {
  for (const address of Object.values(listens)) {
    const tsfpm = await startTsfpm(t, { pools: { www: { ...FFI, listen: await address() } }, files });
    const left = await attack(t, tsfpm, 'how=copy');
    if (left === false) return;
    const client = tsfpm.address();
    assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
    await assert.rejects(
      new Promise((resolve, reject) => {
        connect(typeof client === 'string' ? { path: client } : client, () => resolve(undefined)).on(
          'error',
          reject,
        );
      }),
      'the copy takes clients',
    );
    await tsfpm.start();
    await tsfpm.get('pid.php');
    killProcess(Number(left));
  }
});

test('who has a port that is in use is named', async (t) => {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, { pools: { www: { listen: `127.0.0.1:${port}` } }, files });
  const { code, stderr } = await runIn(tsfpm.folder);
  assert.equal(code, 78);
  assert.match(
    stderr,
    new RegExp(
      `ERROR: \\[pool www\\] port ${port} is held by pid ${tsfpm.pid} \\([^)]+\\), .*\\n.* Address already in use \\(98\\)\\n`,
    ),
  );
});
