import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bindListenSocket } from '../../src/listen/bind.js';
import { tsfpmCommand } from '../helpers/command.js';
import { startTsfpm } from '../helpers/daemon.js';
import { reload } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';
import { NotifySocket } from '../unit/systemd/notify-socket.js';

const files = { 'env.php': '<?php echo json_encode(array_keys(getenv()));' };

test('systemd is told when the service is ready, reloads, lives and stops; scripts learn nothing of it', async (t) => {
  const systemd = new NotifySocket();
  t.after(() => systemd.close());
  const tsfpm = await startTsfpm(t, {
    files,
    pools: { www: { clear_env: 'no' } },
    environment: { NOTIFY_SOCKET: systemd.address, WATCHDOG_USEC: '1000000' },
  });
  const heard: string[] = [];
  const hears = (what: RegExp) =>
    until(`systemd hears ${what}`, () => {
      heard.push(...systemd.received());
      return heard.some((datagram) => what.test(datagram));
    });
  await hears(/^READY=1$/m);
  await hears(/^STATUS=Ready to handle connections$/m);
  await hears(/^WATCHDOG=1$/m);
  await hears(/^STATUS=Processes active: 0, idle: [0-9]+, Requests: 0, slow: 0, Traffic: 0.00req\/sec$/m);
  assert.doesNotMatch((await tsfpm.request('env.php')).text, /NOTIFY_SOCKET|WATCHDOG/);
  heard.length = 0;
  await reload(tsfpm);
  await hears(/^RELOADING=1\nMONOTONIC_USEC=[0-9]+$/m);
  await hears(/^READY=1$/m);
  await tsfpm.stop('SIGTERM');
  await hears(/^STOPPING=1$/m);
});

test('a socket that systemd lends is served, also by an upgraded program, and its file is not ours to remove', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-lent-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const listen = join(folder, 'lent.sock');
  const silent = { debug() {}, notice() {}, warning() {}, error() {}, alert() {} };
  const { fd } = bindListenSocket({ pool: 'www', listen, backlog: 16, mode: 0o600 }, { log: silent });
  t.after(() => closeSync(fd));
  const tsfpm = await startTsfpm(t, { files, lent: [fd], pools: { lent: { listen }, www: {} } });
  assert.match(await tsfpm.get('env.php', { pool: 'lent' }), /^\[/);
  assert.equal((await tsfpmCommand(tsfpm, 'upgrade')).code, 0);
  assert.match(await tsfpm.get('env.php', { pool: 'lent' }), /^\[/);
  await tsfpm.stop('SIGTERM');
  assert.ok(existsSync(listen));
  rmSync(listen);
});
