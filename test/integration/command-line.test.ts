import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { test } from 'node:test';
import { unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { runCommand } from '../helpers/command.js';
import { familyOf, prepareFolder, runIn, runTsfpm } from '../helpers/daemon.js';
import { fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { PHP_FPM } from '../helpers/php-programs.js';
import { PID_PHP } from '../helpers/probes.js';
import { descriptorsOf, processInfo } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

// The harness starts with -F; of -D and -F the last one wins.
const BACKGROUND = ['-D'];

test('a background start returns when the service is up, and the daemon has left its caller behind', async (t) => {
  const folder = prepareFolder(t, { files: { 'pid.php': PID_PHP } });
  const run = await runIn(folder, { arguments: BACKGROUND });
  // Ended, with stdout and stderr closed: the daemon holds neither.
  assert.equal(run.code, 0, run.stderr);
  assert.equal(run.stdout, '');
  const { body } = await fcgiRequest(folder.at('www.sock'), {
    params: scriptParams(folder.script('pid.php')),
  });
  assert.match(body.toString(), /^[0-9]+$/);
  const pid = Number(readFileSync(folder.at('tsfpm.pid'), 'utf8'));
  const info = processInfo(pid);
  assert.equal(info?.title, `tsfpm: master process (${realpathSync(folder.configFile)})`);
  assert.equal(info?.session, pid);
  const descriptors = descriptorsOf(pid);
  assert.deepEqual(
    [0, 1, 2].map((fd) => descriptors.get(fd)),
    ['/dev/null', '/dev/null', folder.at('error.log')],
  );
  process.kill(pid, 'SIGTERM');
  await until('nothing is left', () => familyOf(folder).length === 0);
  for (const name of ['tsfpm.pid', 'www.sock']) assert.equal(existsSync(folder.at(name)), false, name);
  assert.match(readFileSync(folder.at('error.log'), 'utf8'), /NOTICE: exiting, bye-bye!\n$/);
});

test('a background start that fails past the configuration tells the reason and ends with 70', async (t) => {
  const run = await runTsfpm(t, {
    pools: { www: {}, shop: { listen: '{folder}/missing/s.sock' } },
    arguments: BACKGROUND,
  });
  assert.equal(run.code, 70, run.stderr);
  assert.match(run.stderr, /ERROR: unable to bind listening socket for address '.*\/missing\/s\.sock'/);
  assert.match(readFileSync(run.folder.at('error.log'), 'utf8'), /ERROR: unable to bind listening socket/);
  await until('nothing is left', () => familyOf(run.folder).length === 0);
  for (const name of ['tsfpm.pid', 'www.sock']) assert.equal(existsSync(run.folder.at(name)), false, name);
});

test('a broken file is told before there is a background process, with 78', async (t) => {
  const run = await runTsfpm(t, { pools: { www: { nonsense: 1 } }, arguments: BACKGROUND });
  assert.equal(run.code, 78);
  assert.match(run.stderr, /\] unknown entry 'nonsense'/);
  assert.deepEqual(familyOf(run.folder), []);
});

test('two background starts: the second is refused and leaves the first alone', async (t) => {
  const folder = prepareFolder(t, { files: { 'pid.php': PID_PHP } });
  assert.equal((await runIn(folder, { arguments: BACKGROUND })).code, 0);
  const pid = readFileSync(folder.at('tsfpm.pid'), 'utf8');
  const second = await runIn(folder, { arguments: BACKGROUND });
  assert.equal(second.code, 70);
  assert.match(second.stderr, /Another FPM instance seems to already listen on/);
  assert.equal(readFileSync(folder.at('tsfpm.pid'), 'utf8'), pid);
  const { status } = await fcgiRequest(folder.at('www.sock'), {
    params: scriptParams(folder.script('pid.php')),
  });
  assert.equal(status, 200);
  process.kill(Number(pid), 'SIGTERM');
  await until('nothing is left', () => familyOf(folder).length === 0);
});

test('-t checks the file, tells so on stderr, and starts nothing', async (t) => {
  const good = await runTsfpm(t, { arguments: ['-t'] });
  assert.equal(good.code, 0, good.stderr);
  assert.equal(good.stdout, '');
  assert.ok(
    good.stderr.includes(`NOTICE: configuration file ${good.folder.configFile} test is successful\n`),
    good.stderr,
  );
  for (const name of ['tsfpm.pid', 'www.sock']) assert.equal(existsSync(good.folder.at(name)), false, name);
  const bad = await runTsfpm(t, { arguments: ['-t'], pools: { www: { nonsense: 1 } } });
  assert.equal(bad.code, 78);
  assert.match(bad.stderr, /ERROR: FPM initialization failed\n/);
});

test('-tt dumps the configuration', async (t) => {
  const { code, stderr } = await runTsfpm(t, { arguments: ['-tt'] });
  assert.equal(code, 0);
  assert.match(stderr, /NOTICE: \[www\]\n/);
  assert.match(stderr, /NOTICE: \tpm\.max_children = 2\n/);
});

for (const option of ['-v', '-m', '-i', '-h'])
  test(`${option} prints to stdout and ends with 0`, async (t) => {
    const { code, stdout, stderr } = await runTsfpm(t, { arguments: [option] });
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      { '-v': /fpm-fcgi/, '-m': /^\[PHP Modules\]$/m, '-i': /phpinfo/i, '-h': /^Usage: /m }[option] ?? /x/,
    );
  });

test('-v prints what php-fpm -v prints, with the version of tsfpm in the last parentheses', {
  skip: unlessPhpFpm,
}, async (t) => {
  const { stdout } = await runTsfpm(t, { arguments: ['-v'] });
  assert.match(stdout, /^PHP .*; tsfpm [0-9.]+\)$/m);
  assert.equal(
    stdout.replace(/; tsfpm [0-9.]+/, ''),
    spawnSync(PHP_FPM, ['-v'], { encoding: 'utf8' }).stdout,
  );
});

for (const words of [['--nonsense'], ['word'], ['-d']])
  test(`${words.join(' ')} is a wrong command line: the usage on stdout, and 64`, async (t) => {
    const { code, stdout, stderr } = await runTsfpm(t, { arguments: words });
    assert.equal(code, 64);
    assert.match(stdout, /^Usage: /m);
    assert.equal(stderr, '');
  });

const WRONG_COMMANDS: readonly [words: string[], reason: string][] = [
  [['word'], "unknown command 'word'"],
  [['statuss'], "unknown command 'statuss', did you mean 'status'?"],
  [['top', '--interval', 'x'], "invalid interval 'x' (0.1 to 3600 seconds)"],
  [['serve', '--port', '99999'], "invalid port '99999'"],
  [['trace'], "missing required argument 'pid or pool'"],
];

for (const [words, reason] of WRONG_COMMANDS)
  test(`${words.join(' ')} is a wrong command: the reason on stderr, and 64`, async () => {
    const { code, out, err } = await runCommand(words);
    assert.deepEqual({ code, out, err }, { code: 64, out: '', err: `tsfpm: ${reason}\n` });
  });

for (const command of ['status', 'top'])
  test(`${command} says that its configuration file is not there`, async () => {
    const { code, out, err } = await runCommand([command, '-y', '/nope']);
    const reason = "failed to open configuration file '/nope': No such file or directory (2)";
    assert.deepEqual({ code, out, err }, { code: 78, out: '', err: `tsfpm: ${reason}\n` });
  });

test('-g names the pid file where the configuration names none', async (t) => {
  const folder = prepareFolder(t, { global: { pid: undefined }, files: { 'pid.php': PID_PHP } });
  const run = await runIn(folder, { arguments: [...BACKGROUND, '-g', folder.at('other.pid')] });
  assert.equal(run.code, 0, run.stderr);
  const pid = Number(readFileSync(folder.at('other.pid'), 'utf8'));
  process.kill(pid, 'SIGQUIT');
  await until('nothing is left', () => familyOf(folder).length === 0);
  assert.equal(existsSync(folder.at('other.pid')), false);
});
