import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControlPoolStatus, ControlStatus } from '../../src/control/target.js';
import type { Pid } from '../../src/units.js';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive, killProcess } from '../helpers/processes.js';
import { reload, zygotesOf } from '../helpers/reload.js';
import { sleep, until } from '../helpers/wait.js';

const PARENT_PHP = `<?php echo explode(' ', file_get_contents('/proc/self/stat'))[4];`;
const files = { 'pid.php': PID_PHP, 'parent.php': PARENT_PHP };

/** Its worker goes with its request, its zygote soon after. */
const SHORT: Settings = {
  pm: 'ondemand',
  'pm.max_children': 4,
  'pm.max_requests': 1,
  'pm.zygote_idle_timeout': '300ms',
};

async function statusOf(tsfpm: Daemon, pool = 'www'): Promise<ControlPoolStatus> {
  const { stdout } = await tsfpmCommand(tsfpm, 'status', '--json');
  const found = (JSON.parse(stdout) as ControlStatus).pools.find(({ name }) => name === pool);
  assert.ok(found !== undefined);
  return found;
}

function untilNoZygote(tsfpm: Daemon): Promise<unknown> {
  return until('no zygote is left', () => zygotesOf(tsfpm, 'www').length === 0);
}

test('an ondemand pool without clients has no process, keeps its counters, and serves the next client', async (t) => {
  const settings = { ...SHORT, 'pm.max_requests': 0, 'pm.process_idle_timeout': '1s' };
  const tsfpm = await startTsfpm(t, { files, pools: { www: settings } });
  assert.equal((await statusOf(tsfpm)).zygotePid, null, 'it has none before its first client');
  await tsfpm.get('pid.php');
  const [zygote] = zygotesOf(tsfpm, 'www');
  assert.equal((await statusOf(tsfpm)).zygotePid, zygote);
  await untilNoZygote(tsfpm);
  assert.deepEqual(tsfpm.family(), []);
  const { generation, zygotePid, requests, trouble } = await statusOf(tsfpm);
  assert.deepEqual([generation, zygotePid, requests, trouble], [1, null, 1, undefined]);
  const table = (await tsfpmCommand(tsfpm, 'status')).stdout;
  assert.match(table, /, ready$/m);
  assert.match(table, /^www +ondemand +- +0 +0 +4 +0 +1 +0$/m);
  await tsfpm.get('pid.php');
  assert.deepEqual([(await statusOf(tsfpm)).generation, (await statusOf(tsfpm)).requests], [2, 2]);
});

for (const [what, finish] of [
  ['is still there', (zygote: Pid) => process.kill(zygote, 'SIGCONT')],
  ['is killed', killProcess],
] as const)
  test(`a client that comes while the idle zygote is told to end, and ${what}, is served by another`, async (t) => {
    const www = { ...SHORT, 'pm.zygote_idle_timeout': '1500ms' };
    const tsfpm = await startTsfpm(t, { files, pools: { www }, global: { log_level: 'debug' } });
    await tsfpm.get('pid.php');
    const [old = 0] = zygotesOf(tsfpm, 'www');
    await tsfpm.expectLog(/child \d+ exited with code 0/);
    process.kill(old, 'SIGSTOP'); // it hears nothing
    await tsfpm.expectLog(/DEBUG: .*\[pool www\] zygote \d+ ends after 1\.5 seconds without a child/);
    await tsfpm.get('pid.php');
    assert.ok(isAlive(old));
    assert.equal((await statusOf(tsfpm)).requests, 2);
    finish(old);
    await until('the old one has ended', () => !isAlive(old));
    await untilNoZygote(tsfpm);
    const { requests, trouble } = await statusOf(tsfpm);
    assert.deepEqual([requests, trouble], [2, undefined]);
  });

test('clients that come around the moment at which the zygote is told to end are all served and counted', async (t) => {
  // Workers that end are still there when the next client comes.
  const www = { ...SHORT, 'pm.max_children': 50, 'pm.zygote_idle_timeout': '4ms' };
  const tsfpm = await startTsfpm(t, { files, pools: { www, shop: SHORT } });
  await tsfpm.get('pid.php', { pool: 'shop' }); // now they have a template
  const seen = new Set<string>();
  let [clients, pauseMs, last] = [0, 0, ''];
  await until('zygotes have ended often', async () => {
    const zygote = await tsfpm.get('parent.php');
    clients++;
    seen.add(zygote);
    // Just so long that every second client, on the whole, finds the same zygote.
    pauseMs = zygote === last ? pauseMs + 2 : Math.max(0, pauseMs - 3);
    last = zygote;
    await sleep(pauseMs + Math.random());
    return seen.size > 20;
  });
  await untilNoZygote(tsfpm);
  const { requests, trouble } = await statusOf(tsfpm);
  assert.deepEqual([requests, trouble], [clients, undefined]);
});

test('a reload leaves a pool without a zygote as it is, and its new settings count', async (t) => {
  const tsfpm = await startTsfpm(t, { files, pools: { www: SHORT } });
  await tsfpm.get('pid.php');
  await untilNoZygote(tsfpm);
  await reload(tsfpm, { pools: { www: { ...SHORT, 'pm.zygote_idle_timeout': 0 } } });
  assert.deepEqual(zygotesOf(tsfpm, 'www'), []);
  await tsfpm.get('pid.php');
  const [kept] = zygotesOf(tsfpm, 'www');
  await until('the worker has gone', () => tsfpm.workers().length === 0);
  await sleep(600);
  assert.deepEqual(zygotesOf(tsfpm, 'www'), [kept], '0 keeps it');
  // The generation that a reload gives to an idle pool ends as well.
  await reload(tsfpm, { pools: { www: SHORT } });
  await untilNoZygote(tsfpm);
});
