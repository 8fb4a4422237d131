import assert from 'node:assert/strict';
import { test } from 'node:test';
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
