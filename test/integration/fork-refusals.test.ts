import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { Pid } from '../../src/units.js';
import { startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess } from '../helpers/processes.js';
import { burst, ONDEMAND, SLEEP_PHP } from '../helpers/scaling-pools.js';
import { sleep, until } from '../helpers/wait.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };

/** A zygote numbers its descriptors from 256: with fewer allowed than it has it can fork nobody. */
const limitDescriptors = (pid: Pid, soft: number) =>
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);

test('refused forks are told once, with the pool’s name, and tried again until they succeed', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...ONDEMAND, 'pm.max_children': 30 } }, files });
  await tsfpm.get('pid.php');
  const zygote = tsfpm.zygote() ?? 0;
  limitDescriptors(zygote, 258);
  const requests = burst(tsfpm, { requests: 30, ms: 400 });
  await tsfpm.expectLog(/ERROR: \[pool www\] fork\(\) failed: Too many open files \(24\)/);
  await sleep(1500);
  assert.equal(tsfpm.workers().length, 1);
  assert.equal(tsfpm.log.text.match(/fork\(\) failed/g)?.length, 1, tsfpm.log.tail);
  limitDescriptors(zygote, 1024);
  await until('the pool grows', () => tsfpm.workers().length > 10);
  await requests;
  assert.equal(tsfpm.log.text.match(/fork\(\) failed/g)?.length, 1, tsfpm.log.tail);
  assert.doesNotMatch(tsfpm.log.text, /as soon as they start/);
});

test('a worker that dies while forks are refused is replaced when one is not', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 3 } }, files });
  const zygote = tsfpm.zygote() ?? 0;
  limitDescriptors(zygote, 258);
  tsfpm.announce(/exited on signal 9/);
  killProcess(tsfpm.workers()[0] ?? 0);
  await tsfpm.expectLog(/ERROR: \[pool www\] fork\(\) failed: /);
  await tsfpm.get('pid.php');
  limitDescriptors(zygote, 1024);
  await tsfpm.untilWorkers(3);
  assert.doesNotMatch(tsfpm.log.text, /as soon as they start/);
});
