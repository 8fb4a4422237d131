import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Count } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { PID_PHP } from '../helpers/probes.js';
import { DYNAMIC, ONDEMAND, SEEMS_BUSY, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { statusJson, statusParams } from '../helpers/status-page.js';
import { sleep, until } from '../helpers/wait.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };
const LOAD_MS = 2500;
const CLIENTS = 10;

/** A generator of its own, so that a failed run can be told by its seed. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function anyRequest(tsfpm: Daemon, pick: (below: number) => number): Record<string, string> {
  switch (pick(6)) {
    case 0:
      return statusParams(tsfpm, { query: ['', 'full', 'json', 'openmetrics'][pick(4)] ?? '' });
    case 1:
      return statusParams(tsfpm, { path: '/ping' });
    case 2:
      return scriptParams(tsfpm.folder.script('sleep.php'), { QUERY_STRING: `ms=${pick(30)}` });
    case 3:
      return scriptParams(tsfpm.folder.script('missing.php'));
    default:
      return scriptParams(tsfpm.folder.script('pid.php'));
  }
}

/** @returns how many requests were answered */
async function client(tsfpm: Daemon, pick: (below: number) => number, until: number): Promise<Count> {
  let answered = 0;
  while (performance.now() < until) {
    const connection = await FastcgiConnection.open(tsfpm.address());
    const requests = pick(2) === 0 ? 1 : 1 + pick(8);
    for (let left = requests; left > 0 && !connection.isClosed; left--) {
      // A worker may let a kept connection go between two requests.
      const response = await connection
        .request({ params: anyRequest(tsfpm, pick), keepConn: left > 1 })
        .catch(() => undefined);
      if (response === undefined) {
        assert.ok(left < requests, 'the first request of a connection is answered');
        break;
      }
      answered++;
      if (pick(4) === 0) await sleep(pick(10));
    }
    connection.close();
  }
  return answered;
}

const POOLS: Readonly<Record<string, Settings>> = {
  static: { pm: 'static', 'pm.max_children': 6 },
  'static, with workers that end after 50 requests': {
    pm: 'static',
    'pm.max_children': 6,
    'pm.max_requests': 50,
  },
  dynamic: { ...DYNAMIC, 'pm.max_children': 8, 'pm.process_idle_timeout': 1 },
  ondemand: { ...ONDEMAND, 'pm.max_children': 8, 'pm.process_idle_timeout': 1, 'pm.max_requests': 100 },
};

for (const [name, settings] of Object.entries(POOLS))
  test(`the counters are right after random load: ${name}`, async (t) => {
    const seed = Date.now() & 0xffff;
    t.diagnostic(`seed ${seed}`);
    const tsfpm = await startTsfpm(t, {
      pools: {
        www: {
          ...settings,
          'pm.status_path': '/status',
          'ping.path': '/ping',
          'pm.status_listen': '{folder}/status.sock',
        },
      },
      files,
    });
    tsfpm.announce(SEEMS_BUSY, /server reached/);
    const address = tsfpm.folder.at('status.sock');
    const end = performance.now() + LOAD_MS;
    const max = Number(settings['pm.max_children']);
    let accepted = 0;
    const watch = (async () => {
      while (performance.now() < end) {
        const status = await statusJson(tsfpm, { address });
        const { 'active processes': active, 'idle processes': idle, 'total processes': total } = status;
        assert.equal(active + idle, total);
        assert.ok(total <= max && status['max active processes'] <= max, JSON.stringify(status));
        assert.ok(status['accepted conn'] >= accepted, 'accepted conn never falls');
        accepted = status['accepted conn'];
        await sleep(20);
      }
    })();
    const counts = await Promise.all(
      Array.from({ length: CLIENTS }, (_, index) => client(tsfpm, random(seed * CLIENTS + index), end)),
    );
    await watch;
    const answered = counts.reduce((sum, each) => sum + each);
    assert.ok(answered > 200, `${answered} requests`);

    const status = await until('all is at rest', async () => {
      const now = await statusJson(tsfpm, { address, query: 'full' });
      return now['active processes'] === 0 && now['total processes'] === tsfpm.workers().length && now;
    });
    assert.equal(status['idle processes'], status['total processes']);
    assert.equal(status['accepted conn'], answered);
    assert.ok(status['max active processes'] >= 1 && status['max active processes'] <= max);
    assert.equal(status.processes?.length, status['total processes']);
    assert.deepEqual(
      status.processes?.map(({ pid }) => pid).sort((a, b) => a - b),
      tsfpm.workers().sort((a, b) => a - b),
    );
    if (!('pm.max_requests' in settings) && name === 'static')
      assert.equal(
        status.processes?.reduce((sum, { requests }) => sum + requests, 0),
        answered,
      );
    if (settings.pm === 'static') await tsfpm.settle();
  });
