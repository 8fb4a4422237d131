/** What run.ts has done in the container. Every step is printed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fcgiRequest } from '../helpers/fastcgi-client.js';

const SOCKET = '/run/tsfpm/www.sock';
const SCRIPT = '/srv/index.php';
/** More than an upgrade takes, and no end where one hangs. */
const MOST_REQUESTS = 100_000;

try {
  await main();
} catch (error) {
  console.log(error instanceof Error ? error.stack : error);
  console.log(say('journalctl', '--no-pager', '-u', 'tsfpm', '-n', '50'));
  process.exitCode = 1;
}

async function main(): Promise<void> {
  rmSync('/usr/sbin/policy-rc.d', { force: true }); // it keeps packages from starting services
  writeFileSync(SCRIPT, '<?php echo "served by ", PHP_SAPI;');
  const before = systemFiles();

  step('lintian finds no error');
  const found = say('lintian', '--tag-display-limit', '0', '/opt/tsfpm/dist/test-packages/first.deb');
  console.log(found);
  assert.doesNotMatch(found, /^E: /m);

  step('the service runs once the package is installed');
  run('dpkg', '-i', '/opt/tsfpm/dist/test-packages/first.deb');
  run('systemctl', 'is-active', 'tsfpm.service');
  run('systemctl', 'is-enabled', 'tsfpm.service');
  assert.equal(await ask(), 'served by fpm-fcgi');
  run('tsfpm', '-t');
  run('tsfpm', 'status');

  step('the manual pages are read without a warning');
  for (const page of ['tsfpm', 'tsfpm.conf']) {
    const { stdout, stderr } = spawnSync('man', ['--warnings', page], {
      encoding: 'utf8',
      env: { ...process.env, MANWIDTH: '120', LC_ALL: 'C.UTF-8' },
    });
    assert.equal(stderr, '');
    assert.match(stdout, page === 'tsfpm' ? /--fpm-config/ : /pm\.max_children/);
  }

  step('an upgrade under load loses no request, keeps the process, and keeps what was changed in /etc');
  writeFileSync(
    '/etc/tsfpm/pool.d/www.conf',
    `${readFileSync('/etc/tsfpm/pool.d/www.conf', 'utf8')}; ours\n`,
  );
  const pid = mainPid();
  const load = askAgainAndAgain();
  run('dpkg', '-i', '/opt/tsfpm/dist/test-packages/second.deb');
  await sleep(1000);
  const { answered, failures } = await load.stop();
  console.log(`${answered} requests answered meanwhile`);
  assert.deepEqual(failures, []);
  assert.ok(answered > 10);
  assert.equal(mainPid(), pid);
  assert.match(readFileSync('/etc/tsfpm/pool.d/www.conf', 'utf8'), /^; ours$/m);
  assert.match(say('tsfpm', 'status'), /^tsfpm \S+\+test1,/);
  assert.equal(await ask(), 'served by fpm-fcgi');

  step('a purge leaves nothing');
  run('dpkg', '--purge', 'tsfpm');
  assert.notEqual(spawnSync('systemctl', ['is-active', 'tsfpm.service']).status, 0);
  assert.deepEqual(
    [...systemFiles()].filter((path) => !before.has(path)),
    [],
  );
  assert.equal(existsSync('/run/tsfpm'), false);
}

function step(text: string): void {
  console.log(`\n== ${text}`);
}

/** @throws AssertionError with what it said, where it fails */
function run(program: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  console.log(`$ ${program} ${args.join(' ')}\n${stdout}${stderr}`.trimEnd());
  assert.equal(status, 0, `${program} ${args.join(' ')}`);
}

function say(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return `${stdout}${stderr}`;
}

function mainPid(): string {
  return say('systemctl', 'show', '--value', '--property', 'MainPID', 'tsfpm.service').trim();
}

async function ask(): Promise<string> {
  const { body } = await fcgiRequest(SOCKET, {
    params: { SCRIPT_FILENAME: SCRIPT, SCRIPT_NAME: '/index.php', REQUEST_METHOD: 'GET' },
  });
  return body.toString();
}

function askAgainAndAgain() {
  let isWanted = true;
  const failures: string[] = [];
  let answered = 0;
  const work = (async () => {
    while (isWanted && answered + failures.length < MOST_REQUESTS) {
      try {
        assert.equal(await ask(), 'served by fpm-fcgi');
        answered++;
      } catch (error) {
        failures.push(String(error));
      }
      await sleep(2);
    }
  })();
  return {
    async stop() {
      isWanted = false;
      await work;
      return { answered, failures };
    },
  };
}

/** Every file where packages and services leave theirs, but for what the system itself writes at any time. */
function systemFiles(): Set<string> {
  const files = ['/etc', '/usr/bin', '/usr/lib', '/usr/sbin', '/usr/share', '/var/lib', '/var/log'].flatMap(
    (top) => readdirSync(top, { recursive: true, encoding: 'utf8' }).map((name) => `${top}/${name}`),
  );
  return new Set(files.filter((path) => /tsfpm/.test(path) && !/tsfpm-test/.test(path)));
}
