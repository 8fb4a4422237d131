import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Daemon, startTsfpm, TSFPM } from '../helpers/daemon.js';
import { type Settings, unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess } from '../helpers/processes.js';

// Each step that a new worker takes is made to fail: the worker must end before it accepts, with php-fpm's words.

const folder = mkdtempSync('/tmp/tsfpm-faults-');
after(() => rmSync(folder, { recursive: true }));

/** A library that stands in front of libc's `name` in every process of the daemon. */
function faultyLibrary(name: string, body: string): string {
  const source = join(folder, `${name}.c`);
  const target = join(folder, `${name}.so`);
  writeFileSync(source, `#include <errno.h>\nint ${name}() { ${body} }\n`);
  const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-o', target, source], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return target;
}

interface Fault {
  readonly settings?: Settings;
  /** Words for setpriv(1). */
  readonly without?: readonly string[];
  readonly preload?: () => string;
  readonly expected: RegExp;
}

const NOT_PERMITTED = 'Operation not permitted \\(1\\)';
const told = (text: string) => new RegExp(`ERROR: \\[pool www\\] ${text}`);

const FAULTS: Readonly<Record<string, Fault>> = {
  'chroot is not permitted': {
    settings: { chroot: '{folder}/www' },
    without: ['--bounding-set=-sys_chroot'],
    expected: told(`failed to chroot\\(/tmp/[^)]*/www\\): ${NOT_PERMITTED}`),
  },
  'the priority is not permitted': {
    settings: { 'process.priority': -5 },
    without: ['--bounding-set=-sys_nice'],
    expected: told('Unable to set priority for this new process: Permission denied \\(13\\)'),
  },
  'setgid is not permitted': {
    without: ['--bounding-set=-setgid'],
    expected: told(`failed to setgid\\([0-9]+\\): ${NOT_PERMITTED}`),
  },
  'setuid is not permitted': {
    without: ['--bounding-set=-setuid'],
    expected: told(`failed to setuid\\([0-9]+\\): ${NOT_PERMITTED}`),
  },
  'setgroups fails': {
    preload: () => faultyLibrary('setgroups', 'errno = ENOMEM; return -1;'),
    expected: told(`failed to initgroups\\(${WORKER_USER}, [0-9]+\\): Cannot allocate memory \\(12\\)`),
  },
  'setuid claims to succeed and does nothing': {
    preload: () => faultyLibrary('setresuid', 'return 0;'),
    expected: told(`failed to setuid\\([0-9]+\\): ${NOT_PERMITTED}`),
  },
  'setgid claims to succeed and does nothing': {
    preload: () => faultyLibrary('setresgid', 'return 0;'),
    expected: told(`failed to setgid\\([0-9]+\\): ${NOT_PERMITTED}`),
  },
  'the kernel leaves root’s capabilities to a user': {
    without: ['--securebits=+no_setuid_fixup'],
    expected: told(`failed to setuid\\([0-9]+\\), capabilities of root remain .*: ${NOT_PERMITTED}`),
  },
  'there is no such AppArmor hat, or no AppArmor': {
    settings: { apparmor_hat: 'shop' },
    expected: told(
      '(?:failed to query apparmor confinement\\. .* is read and writeable\\.: Operation not supported|failed to change to new confinement \\(.*//shop\\)\\. )',
    ),
  },
};

function startBroken(t: Parameters<typeof startTsfpm>[0], { settings, without, preload }: Fault) {
  return startTsfpm(t, {
    isUnchecked: true, // a pool without workers has no number of descriptors
    pools: { www: { 'pm.max_children': 1, ...settings } },
    ...(without === undefined ? {} : { command: ['setpriv', ...without, process.execPath, TSFPM] }),
    ...(preload === undefined ? {} : { environment: { LD_PRELOAD: preload() } }),
    files: { 'pid.php': PID_PHP },
  });
}

async function assertNobodyServes(tsfpm: Daemon): Promise<void> {
  await tsfpm.expectLog(/ERROR: \[pool www\] child failed to initialize/);
  await tsfpm.expectLog(/WARNING: \[pool www\] child [0-9]+ exited with code 70 after/);
  // A client connects, by the listening socket that the master keeps, and is taken by nobody.
  await assert.rejects(tsfpm.get('pid.php', { timeoutMs: 300 }));
  assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
}

// They mostly wait.
describe('a new worker', { concurrency: 4 }, () => {
  for (const [name, fault] of Object.entries(FAULTS))
    test(`no worker serves where ${name}`, { skip: unlessRoot }, async (t) => {
      const tsfpm = await startBroken(t, fault);
      await tsfpm.expectLog(fault.expected);
      await assertNobodyServes(tsfpm);
    });

  const GONE = 'No such file or directory \\(2\\)';
  for (const [what, settings, message] of [
    ['chroot', { chroot: '{folder}/www/place' }, `failed to chroot\\(/tmp/[^)]*/place\\): ${GONE}`],
    ['chdir', { chdir: '{folder}/www/place' }, `failed to chdir\\(/tmp/[^)]*/place\\): ${GONE}`],
    ['chdir in a jail', { chroot: '{folder}/www', chdir: '/place' }, `failed to chdir\\(/place\\): ${GONE}`],
  ] as const)
    test(`no worker serves where the folder of its ${what} has vanished`, { skip: unlessRoot }, async (t) => {
      const tsfpm = await startTsfpm(t, {
        isUnchecked: true,
        pools: { www: { 'pm.max_children': 1, ...settings } },
        files: { 'pid.php': PID_PHP, 'place/pid.php': PID_PHP },
      });
      const [worker = 0] = await tsfpm.untilWorkers();
      renameSync(tsfpm.folder.script('place'), tsfpm.folder.script('elsewhere'));
      killProcess(worker);
      await tsfpm.expectLog(new RegExp(`ERROR: \\[pool www\\] ${message}`));
      await assertNobodyServes(tsfpm);
    });

  for (const [directive, value, limit, resource] of [
    ['rlimit_files', 2 ** 31 - 1, '2147483647', 'RLIMIT_NOFILE'],
    ['rlimit_core', 'unlimited', '-1', 'RLIMIT_CORE'],
  ] as const)
    test(`${directive} beyond the hard limit is told, and the worker serves with what it had`, {
      skip: unlessRoot,
    }, async (t) => {
      const script = `ulimit -c 0; exec setpriv --bounding-set=-sys_resource "$@"`;
      const tsfpm = await startTsfpm(t, {
        command: ['sh', '-c', script, 'sh', process.execPath, TSFPM],
        pools: { www: { 'pm.max_children': 1, [directive]: value } },
        files: { 'pid.php': PID_PHP },
      });
      await tsfpm.expectLog(
        new RegExp(
          `ERROR: \\[pool www\\] failed to set ${directive} for this pool\\. Please check your system limits or decrease ${directive}\\. setrlimit\\(${resource}, ${limit}\\): ${NOT_PERMITTED}`,
        ),
      );
      const [worker] = tsfpm.workers();
      const limits = readFileSync(`/proc/${worker}/limits`, 'utf8');
      assert.match(limits, /^Max core file size +0 +0 /m);
      assert.doesNotMatch(limits, /^Max open files .*2147483647/m);
      assert.match(await tsfpm.get('pid.php'), /^[0-9]+$/);
    });
});
