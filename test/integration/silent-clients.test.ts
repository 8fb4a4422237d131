import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Count } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { PID_PHP } from '../helpers/probes.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { burst, DYNAMIC, ONDEMAND, SEEMS_BUSY, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { freePort, SOCKET_KINDS } from '../helpers/two-pools.js';
import { sleep } from '../helpers/wait.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };
const SCAN: Count = 30;

/** Connects and sends nothing. */
async function scan(t: TestContext, tsfpm: Daemon): Promise<FastcgiConnection[]> {
  const clients = await Promise.all(
    Array.from({ length: SCAN }, () => FastcgiConnection.open(tsfpm.address())),
  );
  t.after(() => clients.forEach((client) => void client.close()));
  return clients;
}

for (const settings of [ONDEMAND, DYNAMIC])
  for (const kind of SOCKET_KINDS)
    test(`${settings.pm}, ${kind}: a scan that sends nothing grows no pool, and a burst behind it is served at once`, async (t) => {
      const tsfpm = await startTsfpm(t, {
        pools: {
          www: {
            ...settings,
            'pm.max_children': 60,
            ...(kind === 'tcp' ? { listen: `127.0.0.1:${await freePort()}` } : {}),
          },
        },
        files,
      });
      tsfpm.announce(SEEMS_BUSY);
      await tsfpm.get('pid.php');
      const before = tsfpm.workers().length;
      const clients = await scan(t, tsfpm);
      let most = 0;
      for (let i = 0; i < 20; i++) {
        await sleep(50);
        most = Math.max(most, tsfpm.workers().length);
      }
      assert.ok(most <= before + 2, `from ${before} to ${most} workers`);
      // One of them was only slow.
      clients
        .at(-1)
        ?.send(
          requestBytes({ params: scriptParams(tsfpm.folder.script('sleep.php'), { QUERY_STRING: 'ms=1' }) }),
        );
      const tookMs = await burst(tsfpm, { requests: 10, ms: 200 });
      assert.ok(tookMs < 3000, `the last answer came after ${tookMs} ms`);
    });

test('ondemand: a scan that leaves at once starts one worker', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: ONDEMAND }, files });
  const clients = await scan(t, tsfpm);
  for (const client of clients) client.close();
  await tsfpm.get('pid.php');
  await sleep(300);
  assert.ok(tsfpm.workers().length <= 3, `${tsfpm.workers().length} workers`);
});
