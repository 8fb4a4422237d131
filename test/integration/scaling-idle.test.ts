import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { PID_PHP } from '../helpers/probes.js';
import { descriptorsOf, privateBytesOf } from '../helpers/processes.js';
import { burst, DYNAMIC, ONDEMAND, SEEMS_BUSY, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { sleep, until } from '../helpers/wait.js';

const WATCH_MS = 10_000;
const MOST_WATCHES = 3;
const MS_PER_TICK = 10;
/** Generous, for busy machines; the bench holds it to 0.2. */
const MOST_PERCENT = 0.5;

/** Time that a process has been on a processor, all threads together. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

test('ten dynamic pools without traffic cost the master next to nothing, and it does not grow', async (t) => {
  const names = Array.from({ length: 10 }, (_, index) => `p${index}`);
  const settings: Settings = { ...DYNAMIC, 'pm.process_idle_timeout': 1, 'pm.status_path': '/status' };
  const tsfpm = await startTsfpm(t, {
    pools: Object.fromEntries(names.map((name) => [name, settings])),
    files: { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP },
  });
  tsfpm.announce(SEEMS_BUSY);
  for (const name of names) await tsfpm.untilWorkers(2, name);
  // Some have grown and shrunk again.
  for (const pool of names.slice(0, 3)) await burst(tsfpm, { requests: 10, ms: 100, pool });
  for (const name of names) await until('it is at rest', () => tsfpm.workers(name).length <= 4);
  // V8 tidies up some seconds after work, once, for 50 ms: a cost that stays is there in every watch.
  await sleep(4000);
  const before = {
    descriptors: descriptorsOf(tsfpm.pid).size,
    bytes: privateBytesOf(tsfpm.pid),
  };
  let percent = Number.POSITIVE_INFINITY;
  for (let watch = 0; watch < MOST_WATCHES && percent > MOST_PERCENT; watch++) {
    const fromMs = cpuMs(tsfpm.pid);
    await sleep(WATCH_MS);
    percent = (100 * (cpuMs(tsfpm.pid) - fromMs)) / WATCH_MS;
    t.diagnostic(`${percent.toFixed(2)} % of a core`);
  }
  assert.ok(percent <= MOST_PERCENT, `${percent} % of a core`);
  assert.equal(descriptorsOf(tsfpm.pid).size, before.descriptors);
  assert.ok(privateBytesOf(tsfpm.pid) - before.bytes < 2 << 20);
});

test('pools that come and go leave no descriptor behind', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...ONDEMAND, 'pm.process_idle_timeout': 1 } },
    files: { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP },
  });
  await burst(tsfpm, { requests: 8, ms: 50 });
  // Their master has heard of it: it holds none any more.
  const holdsNone = () => ![...descriptorsOf(tsfpm.pid).values()].includes('anon_inode:[pidfd]');
  const isNobodyLeft = () => tsfpm.workers().length === 0 && holdsNone();
  await until('nobody is left', isNobodyLeft);
  const before = descriptorsOf(tsfpm.pid).size;
  for (let i = 0; i < 3; i++) {
    await burst(tsfpm, { requests: 15, ms: 50 });
    await until('nobody is left', isNobodyLeft);
  }
  assert.equal(descriptorsOf(tsfpm.pid).size, before);
});
