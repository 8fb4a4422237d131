import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../../../src/errors.js';
import type { HandOver, InstalledProgram } from '../../../src/upgrade/installed-program.js';
import { Upgrader, type UpgraderParts } from '../../../src/upgrade/upgrader.js';
import { FakeLog } from '../../helpers/fake-log.js';

const RESTARTS = { count: 2, lastMs: 5 };
const never = new AbortController().signal;
const EXEC_FAILED = new SystemError({
  code: 'ENOMEM',
  errno: 12,
  syscall: 'execve',
  path: '/usr/bin/node',
  reason: 'Cannot allocate memory',
});

/** An upgrader beside an installed program that notes what is asked of it, and whose exec fails. */
function upgraderOf({
  installed = {},
  ...parts
}: Partial<Omit<UpgraderParts, 'installed'>> & { installed?: Partial<InstalledProgram> } = {}) {
  const log = new FakeLog();
  const done: string[] = [];
  const handedOver: HandOver[] = [];
  const upgrader = new Upgrader({
    log,
    installed: {
      version: () => '2.0.0',
      command: () => ['/usr/bin/node', '/opt/tsfpm', '-F'],
      prove: async () => {
        done.push('prove');
        return undefined;
      },
      takeOver: (handOver) => {
        done.push('take over');
        handedOver.push(handOver);
        return EXEC_FAILED;
      },
      ...installed,
    },
    version: '1.0.0',
    isUpgraded: false,
    isBackground: true,
    environment: { PATH: '/bin' },
    notifyVariables: { NOTIFY_SOCKET: '/run/notify' },
    finishKeeping: async () => {},
    resumeKeeping: () => {},
    flushLogs: async () => {
      done.push('flush logs');
    },
    handOver: () => ({ sockets: [], zygotes: [{ pid: 4711, controlFd: 9 }], pidFile: '/run/tsfpm.pid' }),
    ...parts,
  });
  return { upgrader, log, done, handedOver };
}

const refused = (reason: string) => `upgrade refused: ${reason}; the running program serves on`;

test('the installed program is proven, logs are written out, and everything is handed over', async () => {
  const { upgrader, log, done, handedOver } = upgraderOf();
  const outcome = await upgrader.upgrade(RESTARTS, never);
  assert.deepEqual(done, ['prove', 'flush logs', 'take over']);
  assert.deepEqual(handedOver, [
    {
      sockets: [],
      zygotes: [{ pid: 4711, controlFd: 9 }],
      pidFile: '/run/tsfpm.pid',
      isBackground: true,
      restarts: RESTARTS,
      environment: { PATH: '/bin', NOTIFY_SOCKET: '/run/notify' },
    },
  ]);
  const summary = refused("execve '/usr/bin/node': Cannot allocate memory (12)");
  assert.deepEqual(outcome, { isComplete: false, summary });
  assert.deepEqual(upgrader.lastOutcome, outcome);
  assert.deepEqual(log.lines, [
    'Upgrade in progress ...',
    'upgrading: execve("/usr/bin/node", "/opt/tsfpm", "-F")',
    summary,
  ]);
});

test('a program that fails its trial takes over nothing', async () => {
  const { upgrader, done } = upgraderOf({ installed: { prove: async () => 'it ended with code 78' } });
  assert.equal(
    (await upgrader.upgrade(RESTARTS, never)).summary,
    refused('the installed program cannot take over: it ended with code 78'),
  );
  assert.deepEqual(done, []);
});

test('a stop while the logs are written out ends the upgrade', async () => {
  const stop = new AbortController();
  const { upgrader, done } = upgraderOf({ flushLogs: async () => stop.abort() });
  assert.equal((await upgrader.upgrade(RESTARTS, stop.signal)).summary, refused('the master is stopping'));
  assert.deepEqual(done, ['prove']);
});

test('what the system refuses on the way is the reason; a mistake is told with its stack', async () => {
  const failing = (error: Error) => upgraderOf({ handOver: () => raise(error) });
  const bySystem = failing(EXEC_FAILED);
  assert.match((await bySystem.upgrader.upgrade(RESTARTS, never)).summary, /Cannot allocate memory/);
  const byMistake = failing(new TypeError('nobody thought of it'));
  assert.equal((await byMistake.upgrader.upgrade(RESTARTS, never)).summary, refused('internal error'));
  assert.match(byMistake.log.lines.at(-2) ?? '', /^internal error, please report it: TypeError: nobody/);
});

test('a restart is told as one, and is no upgrade', async () => {
  const { upgrader, log } = upgraderOf({ installed: { prove: async () => 'broken' } });
  await upgrader.restart(RESTARTS, never);
  assert.deepEqual(log.lines, [
    'Restart in place in progress ...',
    'restart in place refused: the installed program cannot take over: broken; the running program serves on',
  ]);
  assert.equal(upgrader.lastOutcome, undefined);
});

test('a program that came by an upgrade says so', () => {
  assert.deepEqual(upgraderOf({ isUpgraded: true }).upgrader.lastOutcome, {
    isComplete: true,
    summary: 'upgraded; tsfpm 1.0.0 serves',
  });
});

test('another version is noticed; one that cannot be read is none', () => {
  const isNew = (version: () => string) =>
    upgraderOf({ installed: { version } }).upgrader.isNewVersionInstalled();
  assert.equal(
    isNew(() => '1.0.0'),
    false,
  );
  assert.equal(
    isNew(() => '0.9.0'),
    true,
  );
  assert.equal(
    isNew(() => raise(new Error('half installed'))),
    false,
  );
});

function raise(error: Error): never {
  throw error;
}
