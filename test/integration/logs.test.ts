import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { runTsfpm, startTsfpm } from '../helpers/daemon.js';
import { isRoot } from '../helpers/daemon-folder.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

const files = {
  'pid.php': PID_PHP,
  'say.php': `<?php
    file_put_contents('php://stderr', "to stderr: {$_GET['n']}\\n");
    file_put_contents('php://stdout', "to stdout: {$_GET['n']}\\n");
    echo getmypid();`,
  'error.php': '<?php error_log("by error_log"); echo "ok";',
  'last.php':
    '<?php file_put_contents("php://stderr", "last words without a newline"); posix_kill(getmypid(), SIGKILL); sleep(5);',
};
const query = (text: string) => ({ params: { QUERY_STRING: text } });
const FPM_LINE =
  /^\[[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\] (?:NOTICE|WARNING|ERROR|ALERT): .+$/;

test('error_log is a file in php-fpm’s line format, and stderr falls silent once the daemon runs', async (t) => {
  const tsfpm = await startTsfpm(t, { arguments: [], logTo: 'file', files });
  await tsfpm.expectLog(/NOTICE: fpm is running, pid [0-9]+\n/);
  await tsfpm.expectLog(/NOTICE: ready to handle connections\n/);
  await tsfpm.stop();
  for (const line of tsfpm.log.lines) assert.match(line, FPM_LINE);
  assert.match(tsfpm.log.lines.at(-1) ?? '', /NOTICE: exiting, bye-bye!$/);
  assert.equal(statSync(tsfpm.folder.at('error.log')).mode & 0o777, 0o600);
});

test('lines of the start are doubled to stderr without -O, and with it stderr has all and the file none', async (t) => {
  const doubled = await runTsfpm(t, { arguments: [], pools: { www: { listen: '{folder}/missing/s.sock' } } });
  const inFile = readFileSync(doubled.folder.at('error.log'), 'utf8');
  assert.match(inFile, /ERROR: unable to bind listening socket/);
  assert.equal(doubled.stderr, inFile);
  const forced = await startTsfpm(t);
  await forced.stop();
  assert.match(forced.log.text, /exiting, bye-bye!/);
  assert.equal(readFileSync(forced.folder.at('error.log'), 'utf8'), '');
});

test('an error_log that cannot be opened keeps the daemon from starting', async (t) => {
  const run = await runTsfpm(t, { global: { error_log: '{folder}/missing/error.log' } });
  assert.equal(run.code, 78);
  assert.match(
    run.stderr,
    /ERROR: failed to open error_log \(.*\/missing\/error\.log\): No such file or directory \(2\)/,
  );
  assert.equal(existsSync(run.folder.at('www.sock')), false);
});

test('log_level hides what is below it, but not what workers print', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { log_level: 'error' },
    files,
  });
  await tsfpm.get('say.php', query('n=1'));
  await tsfpm.expectLog(/^to stderr: 1\n/m);
  await tsfpm.stop();
  assert.doesNotMatch(tsfpm.log.text, /NOTICE|WARNING/);
});

test('log_level = debug tells of signals, workers and places', async (t) => {
  const tsfpm = await startTsfpm(t, { global: { log_level: 'debug' } });
  await tsfpm.expectLog(
    /\[[0-9]{2}-[A-Z][a-z]{2}-[0-9]{4} [0-9:]{8}\.[0-9]{6}\] DEBUG: pid [0-9]+, \S+\(\), line [0-9]+: \[pool www\] child [0-9]+ started/,
  );
  tsfpm.signal('SIGTERM');
  await tsfpm.expectLog(/DEBUG: .*received SIGTERM/);
  await tsfpm.expectLog(/DEBUG: .*switching to 'terminating' state/);
});

test('log_format = json gives one JSON object a line', async (t) => {
  const tsfpm = await startTsfpm(t, { global: { log_format: 'json' }, files });
  const worker = Number(await tsfpm.get('say.php', query('n=%22%5C%0Ax')));
  await tsfpm.expectLog(/to stdout: /);
  await assert.rejects(tsfpm.request('last.php'), /connection closed/);
  await tsfpm.expectLog(/exited on signal 9/);
  tsfpm.announce(/last words|to std|"stream"/);
  await tsfpm.stop();
  const lines = tsfpm.log.lines.map((line) => JSON.parse(line) as Record<string, string | number>);
  for (const line of lines) {
    assert.match(String(line.level), /^(?:notice|warning)$/);
    assert.ok(Math.abs(Date.parse(String(line.time)) - Date.now()) < 60_000);
    assert.equal(typeof line.message, 'string');
  }
  const said = lines.filter(({ stream }) => stream !== undefined);
  for (const stream of ['stderr', 'stdout'])
    assert.deepEqual(
      said
        .filter((line) => line.stream === stream && !/last words/.test(String(line.message)))
        .map(({ pool, pid, message }) => [pool, pid, message]),
      [
        ['www', worker, `to ${stream}: "\\`],
        ['www', worker, 'x'],
      ],
    );
  const death = lines.find(({ message }) => /exited on signal 9/.test(String(message)));
  assert.equal(death?.pool, 'www');
  assert.ok(String(death?.message).includes(`child ${death?.pid} exited`));
});

test('what workers print to stdout and stderr reaches the log plain', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  await tsfpm.get('say.php', query('n=7'));
  await until(
    'both lines',
    () => tsfpm.log.lines.includes('to stderr: 7') && tsfpm.log.lines.includes('to stdout: 7'),
  );
});

test('error_log() goes to the client’s error stream, or to the log where fastcgi.logging is off', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: {}, silent: { 'php_admin_flag[fastcgi.logging]': 'off' } },
    files,
  });
  assert.match((await tsfpm.request('error.php')).stderr, /by error_log/);
  assert.doesNotMatch(tsfpm.log.text, /by error_log/);
  assert.equal((await tsfpm.request('error.php', { pool: 'silent' })).stderr, '');
  await tsfpm.expectLog(/^.*by error_log$/m);
});

test('the last words of a dying worker are logged before its end', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  tsfpm.announce(/exited on signal 9/);
  await assert.rejects(tsfpm.request('last.php'), /connection closed/);
  await tsfpm.expectLog(
    /^last words without a newline\n.*WARNING: \[pool www\] child [0-9]+ exited on signal 9 \(SIGKILL\)/m,
  );
});

test('SIGUSR1 opens the log anew after a rename, and no line is lost', async (t) => {
  const tsfpm = await startTsfpm(t, { arguments: [], logTo: 'file', files });
  const workers = tsfpm.workers();
  const [log, rotated] = [tsfpm.folder.at('error.log'), tsfpm.folder.at('error.log.1')];
  const COUNT = 120;
  const talk = (async () => {
    for (let n = 0; n < COUNT; n++) await tsfpm.get('say.php', query(`n=${n}.`));
  })();
  await tsfpm.log.expect(/to stderr: 20\./);
  renameSync(log, rotated);
  tsfpm.signal('SIGUSR1');
  await until('the new file', () => /NOTICE: error log file re-opened\n/.test(tsfpm.log.text));
  await talk;
  const both = () => readFileSync(rotated, 'utf8') + readFileSync(log, 'utf8');
  await until('all lines', () => both().match(/to std(?:err|out): /g)?.length === 2 * COUNT);
  for (const stream of ['stderr', 'stdout'])
    assert.deepEqual(
      [...both().matchAll(new RegExp(`^to ${stream}: ([0-9]+)\\.$`, 'gm'))]
        .map(([, n]) => Number(n))
        .sort((a, b) => a - b),
      [...Array(COUNT).keys()],
    );
  assert.deepEqual(tsfpm.workers(), workers);
});

test('SIGUSR1 with a log that cannot be opened is told in the old one, and the daemon goes on', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { error_log: '{folder}/marks/logs/error.log' },
    arguments: [],
    files: { ...files, '../marks/logs/error.log': '' },
  });
  renameSync(tsfpm.folder.at('marks/logs'), tsfpm.folder.at('marks/moved'));
  tsfpm.signal('SIGUSR1');
  const moved = () => readFileSync(tsfpm.folder.at('marks/moved/error.log'), 'utf8');
  await until('the error', () => moved().includes('ERROR: unable to re-opened error log file'));
  assert.match(moved(), /ERROR: failed to open error_log \(/);
  await tsfpm.get('pid.php');
});

test('a stderr that nobody reads any more does not keep the master from serving and stopping', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  tsfpm.stderr?.destroy();
  for (let n = 0; n < 5; n++) await tsfpm.get('say.php', query(`n=${n}`));
  const [victim = 0] = tsfpm.workers();
  process.kill(victim, 'SIGKILL');
  await until('it is gone', () => !isAlive(victim));
  await tsfpm.get('pid.php');
  await tsfpm.untilWorkers(2);
  assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
  assert.deepEqual(tsfpm.family(), []);
});

const DEV_LOG = '/dev/log';
const noSyslog = !isRoot
  ? 'needs root, to stand in for syslog'
  : existsSync(DEV_LOG)
    ? 'this machine has a syslog of its own, and its messages are not ours to read'
    : false;

test('error_log = syslog sends every line there, with its level in the text', {
  skip: noSyslog,
}, async (t) => {
  const received: Buffer[] = [];
  const connections = new Set<Socket>();
  // syslog(3) falls back to a stream where /dev/log is one.
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('data', (chunk) => received.push(chunk));
    socket.on('error', () => {});
  }).listen(DEV_LOG);
  await once(server, 'listening');
  t.after(() => {
    for (const socket of connections) socket.destroy();
    server.close();
    rmSync(DEV_LOG, { force: true });
  });
  const tsfpm = await startTsfpm(t, {
    global: { error_log: 'syslog', 'syslog.ident': 'tsfpm-test', 'syslog.facility': 'local3' },
    arguments: [],
    files,
  });
  await tsfpm.stop();
  const messages = Buffer.concat(received)
    .toString()
    .split('\0')
    .filter((text) => text !== '');
  // LOCAL3 is 19; the priority is that of log_level, notice (5).
  assert.ok(messages.length >= 4);
  for (const message of messages)
    assert.match(message, new RegExp(`^<${19 * 8 + 5}>.* tsfpm-test\\[${tsfpm.pid}\\]: `));
  assert.match(messages.at(-1) ?? '', /: \[NOTICE\] exiting, bye-bye!/);
});
