import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fatal } from '../../../src/config/problem.js';
import { controlTarget, type MasterCommands } from '../../../src/lifecycle/control-target.js';
import type { MasterFacts } from '../../../src/lifecycle/master-facts.js';
import type { Outcome } from '../../../src/lifecycle/outcome.js';
import type { CheckedFile } from '../../../src/lifecycle/read-config.js';
import type { MasterSignal } from '../../../src/lifecycle/transitions.js';
import { configOf, POOL } from '../config/memory-disk.js';

const DONE: Outcome = { isComplete: true, summary: 'all renewed' };
const REFUSED: Outcome = { isComplete: false, summary: 'upgrade refused' };

const FACTS: MasterFacts = {
  version: '1.0.0',
  configFile: 't.conf',
  startEpochMs: Date.now() - 5500,
  pools: () => [],
  state: () => 'reloading',
  reloads: () => ({ succeeded: 3, failed: 1, lastEpochMs: 0, isLastComplete: false }),
};

function targetOf(commands: Partial<MasterCommands> = {}) {
  const signals: MasterSignal[] = [];
  const target = controlTarget(FACTS, {
    reload: async () => DONE,
    upgrade: async () => REFUSED,
    reopenLogs: () => DONE,
    onSignal: (signal) => signals.push(signal),
    lastUpgrade: () => undefined,
    readForTest: () => ({ config: configOf(POOL), problems: [] }),
    ...commands,
  });
  return { target, signals };
}

test('each kind of stop is its signal', async () => {
  const { target, signals } = targetOf();
  for (const kind of ['finish', 'terminate', 'kill'] as const)
    assert.deepEqual(await target.stop(kind), { ok: true, exitCode: 0, lines: ['stopping'] });
  assert.deepEqual(signals, ['SIGQUIT', 'SIGTERM', 'SIGINT']);
});

test('what was refused ends with 1, and each long command says first what it does', async () => {
  const { target } = targetOf();
  const told: string[] = [];
  const tell = (line: string) => void told.push(line);
  assert.deepEqual(await target.reload(tell), { ok: true, exitCode: 0, lines: ['all renewed'] });
  assert.deepEqual(await target.upgrade(tell), { ok: false, exitCode: 1, lines: ['upgrade refused'] });
  assert.deepEqual(told, [
    'reloading: a new generation has to prove itself first',
    'upgrading: the installed program has to prove itself first',
  ]);
  assert.deepEqual((await target.upgraded()).lines, ['there was no upgrade']);
});

test('a file that is tested has its problems told, and the verdict', async () => {
  const problems = [{ level: 'warning', message: 'odd' } as const, fatal('no such user')];
  const tested = (checked: CheckedFile) => targetOf({ readForTest: () => checked }).target.test();
  assert.deepEqual(await tested({ config: undefined, problems }), {
    ok: false,
    exitCode: 78,
    lines: ['WARNING: odd', 'ERROR: no such user', 'configuration file t.conf test failed'],
  });
  assert.deepEqual(await tested({ config: configOf(POOL), problems: [] }), {
    ok: true,
    exitCode: 0,
    lines: ['configuration file t.conf test is successful'],
  });
});

test('the status is that of the moment', async () => {
  const { master, pools } = await targetOf().target.status();
  assert.deepEqual(pools, []);
  assert.deepEqual(master, {
    version: '1.0.0',
    pid: process.pid,
    state: 'reloading',
    configFile: 't.conf',
    startSinceS: 5,
    ready: true,
    reason: 'ready',
    reloads: { succeeded: 3, failed: 1, isLastSuccessful: false },
  });
});
