import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, runTsfpm, startTsfpm } from '../helpers/daemon.js';
import { PHP_CGI } from '../helpers/php-programs.js';
import { closedLoop, reload } from '../helpers/reload.js';
import { ONDEMAND } from '../helpers/scaling-pools.js';
import { until } from '../helpers/wait.js';

// Exceptions that no step of the master has foreseen. A module that Node loads before it throws them: from outside.

const MISTAKES = {
  /** In a callback, as `uncaughtException` tells it. */
  thrown: `process.on('SIGPWR', () => { throw new Error('injected mistake'); });`,
  /** In a promise that nobody waits for. */
  rejected: `process.on('SIGPWR', () => { void Promise.reject(new TypeError('injected mistake')); });`,
  atStart: `if (process.argv[1]?.endsWith('bin/tsfpm')) setTimeout(() => { throw new Error('injected mistake'); }, 1500);`,
};

const files = {
  'index.php': '<?php usleep(10000); echo getmypid();',
  'slow.php': '<?php sleep(3); echo "slept";',
  // Ready when everybody has given up.
  never: `#!/bin/sh\ncase "$*" in *-v*) exec ${PHP_CGI} "$@";; esac\nexec sleep 60\n`,
};
const TOLD = /ALERT: internal error, please report it.*injected mistake.*/;
const RESTARTS = /ALERT: .*; the master restarts in place, and the service goes on: .*injected mistake.*/;
const READY = /NOTICE: ready to handle connections\n/;

function environment(t: TestContext, program: string): { NODE_OPTIONS: string } {
  const folder = mkdtempSync('/tmp/tsfpm-mistake-');
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(`${folder}/mistake.mjs`, program);
  return { NODE_OPTIONS: `--import=${folder}/mistake.mjs` };
}

const inject = (tsfpm: Daemon) => process.kill(tsfpm.pid, 'SIGPWR');

for (const how of ['thrown', 'rejected'] as const)
  test(`after a mistake that is ${how} the master restarts in place and loses no request`, async (t) => {
    const tsfpm = await startTsfpm(t, {
      files,
      pools: { www: { 'pm.max_children': 3 }, cold: ONDEMAND },
      environment: environment(t, MISTAKES[how]),
    });
    const before = { pid: tsfpm.pid, workers: tsfpm.workers('www') };
    const slow = tsfpm.request('slow.php');
    const load = closedLoop(tsfpm, { script: 'index.php', connections: 2, seconds: 3 });
    inject(tsfpm);
    await tsfpm.expectLog(RESTARTS);
    await tsfpm.log.expect(/NOTICE: upgrading: execve/);
    await tsfpm.log.expect(READY);
    assert.equal((await slow).text, 'slept');
    assert.equal((await load).failed, 0);
    assert.equal(tsfpm.pid, before.pid);
    await until('the workers are others', () => {
      const now = tsfpm.workers('www');
      return now.length === 3 && !now.some((pid) => before.workers.includes(pid));
    });
    await tsfpm.get('index.php', { pool: 'cold' });
  });

test('a mistake that comes back at once does not restart the master again, and nothing stands still', async (t) => {
  const tsfpm = await startTsfpm(t, { files, environment: environment(t, MISTAKES.thrown) });
  inject(tsfpm);
  await tsfpm.expectLog(RESTARTS);
  await tsfpm.log.expect(READY);
  await tsfpm.untilWorkers();
  const workers = tsfpm.workers();
  inject(tsfpm);
  await tsfpm.expectLog(
    /ALERT: .*; the master restarts in place in (?:60|5[0-9]) s, and the service goes on: /,
  );
  assert.match(await tsfpm.get('index.php'), /[0-9]/);
  assert.deepEqual(tsfpm.workers(), workers);
  await reload(tsfpm);
  assert.match(await tsfpm.get('index.php'), /[0-9]/);
});

test('a restart that the configuration file refuses leaves the program that runs', async (t) => {
  const tsfpm = await startTsfpm(t, { files, environment: environment(t, MISTAKES.thrown) });
  tsfpm.folder.writeConfig('nonsense = 1\n');
  inject(tsfpm);
  await tsfpm.expectLog(RESTARTS);
  await tsfpm.expectLog(
    /ERROR: restart in place refused: the installed program cannot take over: .*; the running program serves on/,
  );
  assert.match(await tsfpm.get('index.php'), /[0-9]/);
  tsfpm.folder.writePieces({ files });
  await reload(tsfpm);
});

test('a mistake in a reload is followed by the restart once the reload has come to its end', async (t) => {
  const tsfpm = await startTsfpm(t, { files, environment: environment(t, MISTAKES.thrown) });
  const slow = `#!/bin/sh\ncase "$*" in *-v*) ;; *) sleep 1;; esac\nexec ${PHP_CGI} "$@"\n`;
  tsfpm.folder.writePieces({ files: { slow }, pools: { www: { php_cgi: '{folder}/www/slow' } } });
  const command = tsfpmCommand(tsfpm, 'reload');
  await tsfpm.log.expect(/Reloading in progress/);
  inject(tsfpm);
  await tsfpm.expectLog(RESTARTS);
  await tsfpm.log.expect(READY);
  assert.equal((await command).code, 0);
  await tsfpm.log.expect(/NOTICE: upgrading: execve/);
  await tsfpm.log.expect(READY);
  assert.match(await tsfpm.get('index.php'), /[0-9]/);
});

test('a mistake in a stop does not keep it from its end', async (t) => {
  const tsfpm = await startTsfpm(t, { files, environment: environment(t, MISTAKES.thrown) });
  const slow = tsfpm.request('slow.php');
  await tsfpm.request('index.php');
  tsfpm.signal('SIGQUIT');
  await tsfpm.expectLog(/Finishing/);
  inject(tsfpm);
  await tsfpm.expectLog(TOLD);
  assert.deepEqual(await tsfpm.ended(), { code: 0, signal: null });
  assert.equal((await slow).text, 'slept');
});

test('a mistake in the start ends it with the code of a program at fault', async (t) => {
  const { code, stderr, folder } = await runTsfpm(t, {
    files,
    pools: { www: { php_cgi: '{folder}/www/never' } },
    environment: environment(t, MISTAKES.atStart),
  });
  assert.equal(code, 70, stderr);
  assert.match(stderr, /ALERT: internal error, please report it; the start ends: .*injected mistake/);
  assert.match(stderr, /ERROR: FPM initialization failed\n$/);
  assert.match(folder.path, /^\/tmp/);
});
