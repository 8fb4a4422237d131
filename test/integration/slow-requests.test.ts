import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Daemon, prepareFolder, runTsfpm, startTsfpm, TSFPM } from '../helpers/daemon.js';
import { isRoot } from '../helpers/daemon-folder.js';
import { FastcgiConnection, fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { TextWatch } from '../helpers/text-watch.js';
import { sleep, until } from '../helpers/wait.js';

const SLOW = `<?php
class Sloth {
  static function begin() { return array_map(function ($s) { return (new self)->wait($s); }, [2]); }
  function wait($s) { usleep($s * 1000000); return 'waited'; }
}
echo Sloth::begin()[0];
`;

const slowlogOf = (daemon: Daemon) => {
  try {
    return readFileSync(daemon.folder.at('slow.log'), 'utf8');
  } catch {
    return '';
  }
};

test('a slow request is logged with its backtrace, counted, and not disturbed', async (t) => {
  const daemon = await startTsfpm(t, {
    files: { 'slow.php': SLOW, 'quick.php': '<?php echo 1;' },
    pools: {
      www: {
        slowlog: '{folder}/slow.log',
        request_slowlog_timeout: '300ms',
        'pm.status_path': '/status',
      },
    },
  });
  assert.equal(statSync(daemon.folder.at('slow.log')).mode & 0o777, 0o600, 'created at the start');
  const answer = daemon.get('slow.php', { params: { QUERY_STRING: 'a=1', SCRIPT_NAME: '/slow.php' } });
  const line = await daemon.expectLog(
    /WARNING: \[pool www\] child (\d+), script '(.*)' \(request: "GET (.*)"\) executing too slow \((\d+\.\d{6}) sec\), logging/,
  );
  await daemon.expectLog(/NOTICE: about to trace \d+/);
  await daemon.expectLog(/NOTICE: finished trace of \d+/);
  assert.equal(line[2], daemon.folder.script('slow.php'));
  assert.equal(line[3], '/slow.php?a=1');
  assert.ok(Number(line[4]) >= 0.3, line[4]);
  assert.equal(await answer, 'waited');
  const entry = await until('the entry is written', () => slowlogOf(daemon));
  const script = daemon.folder.script('slow.php');
  const shape = entry
    .replace(/^\[\d\d-[A-Z][a-z][a-z]-\d{4} \d\d:\d\d:\d\d\]/m, '[TIME]')
    .replace(/ \d+\.\d{6} sec/, ' N sec')
    .replaceAll(/\[0x[0-9a-f]{16}\]/g, '[ADDRESS]')
    .replaceAll(script, 'SCRIPT')
    .replaceAll(/\{closure[^}]*\}/g, '{closure}');
  assert.deepEqual(shape.split('\n'), [
    '',
    `[TIME]  [pool www] pid ${line[1]}`,
    'script_filename = SCRIPT',
    'request = "GET /slow.php?a=1" N sec',
    '[ADDRESS] usleep() SCRIPT:4',
    '[ADDRESS] Sloth::wait() SCRIPT:3',
    '[ADDRESS] Sloth::{closure}() SCRIPT:3',
    '[ADDRESS] array_map() SCRIPT:3',
    '[ADDRESS] Sloth::begin() SCRIPT:6',
    '',
  ]);
  const status = await daemon.request('quick.php', {
    params: { SCRIPT_NAME: '/status', SCRIPT_FILENAME: '/status' },
  });
  assert.match(status.text, /slow requests: +1\n/);
});

test('a slowlog that cannot be created refuses the start', async (t) => {
  const { stderr, code } = await runTsfpm(t, {
    pools: { www: { slowlog: '/nowhere/slow.log', request_slowlog_timeout: '1s' } },
  });
  assert.match(
    stderr,
    /ERROR: Unable to create or open slowlog\(\/nowhere\/slow\.log\): No such file or directory \(2\)/,
  );
  assert.equal(code, 78);
});

const HANG = `<?php
register_shutdown_function(function () { touch('{marks}/shutdown'); });
if (isset($_GET['early'])) { echo str_repeat('x', 100000); flush(); }
function hang() { while (true) usleep(100000); }
hang();
`;
const scripts = (daemon: Daemon) => ({ marks: daemon.folder.at('marks') });

test('a request that takes too long is answered with 504, told with its place, and its worker replaced', async (t) => {
  const daemon = await startTsfpm(t, {
    files: { 'quick.php': '<?php echo getmypid();' },
    pools: { www: { request_terminate_timeout: '0.4s', 'pm.max_children': 1 } },
    global: { emergency_restart_threshold: 1, emergency_restart_interval: '1h' },
  });
  daemon.folder.writeScript('hang.php', HANG.replace('{marks}', scripts(daemon).marks));
  const [pid] = daemon.workers();
  const started = performance.now();
  const response = await daemon.request('hang.php', { params: { SCRIPT_NAME: '/hang.php' } });
  assert.ok(performance.now() - started >= 400);
  assert.equal(response.status, 504);
  assert.equal(response.text, '504 Gateway Timeout: the request took too long and was ended.\n');
  const line = await daemon.expectLog(
    /WARNING: \[pool www\] child (\d+), script '.*hang\.php' \(request: "GET \/hang\.php"\) execution timed out \((\d+\.\d{6}) sec\), terminating/,
  );
  assert.equal(Number(line[1]), pid);
  await daemon.expectLog(/child \d+ was at: usleep\(\) .*hang\.php:4 < hang\(\) .*hang\.php:5$/m);
  await daemon.expectLog(
    /WARNING: \[pool www\] child \d+ exited on signal 15 \(SIGTERM\) after .* seconds from start, its request had timed out/,
  );
  assert.notEqual(Number(await daemon.get('quick.php')), pid);
  assert.doesNotMatch(daemon.log.text, /failed processes threshold/);
});

test('where something was sent already, the connection ends', async (t) => {
  const daemon = await startTsfpm(t, {
    pools: { www: { request_terminate_timeout: '0.4s', slowlog: '{folder}/slow.log' } },
  });
  daemon.folder.writeScript('hang.php', HANG.replace('{marks}', scripts(daemon).marks));
  const { status, body, endRequest } = await daemon.request('hang.php', {
    params: { QUERY_STRING: 'early=1' },
  });
  assert.deepEqual([status, endRequest], [200, undefined], 'a part of an answer, without an end');
  assert.ok(body.length > 0 && !body.includes('504'));
  await daemon.expectLog(/execution timed out/);
  await daemon.expectLog(/its request had timed out/);
  assert.match(await until('the entry is written', () => slowlogOf(daemon)), /\] hang\(\) .*hang\.php:5\n/);
});

test('a worker that does not obey is killed a second later', async (t) => {
  const daemon = await startTsfpm(t, {
    // Asleep in the kernel with every signal blocked, as pcntl or a library can have it: here a stopped process.
    files: { 'stop.php': '<?php posix_kill(getmypid(), 19); echo "on";' },
    pools: { www: { request_terminate_timeout: '300ms', 'pm.max_children': 1 } },
  });
  daemon.announce(/was at: posix_kill/);
  const request = daemon.request('stop.php').catch(() => undefined);
  await daemon.expectLog(/execution timed out \(\S+ sec\), terminating/);
  await daemon.expectLog(/execution timed out \(\S+ sec\) and did not end when told to, killing it/);
  await daemon.expectLog(/exited on signal 9 \(SIGKILL\) .*, its request had timed out/);
  await request;
  await daemon.untilWorkers(1);
});

test('an idle kept-alive connection is no request, nor is one that has sent nothing', async (t) => {
  const daemon = await startTsfpm(t, {
    files: { 'quick.php': '<?php echo getmypid();' },
    pools: { www: { request_terminate_timeout: '200ms', 'pm.max_children': 2 } },
  });
  const before = daemon.workers();
  const kept = await FastcgiConnection.open(daemon.address());
  const silent = await FastcgiConnection.open(daemon.address());
  t.after(() => [kept, silent].forEach((connection) => void connection.close()));
  const request = () =>
    kept.request({ params: scriptParams(daemon.folder.script('quick.php')), keepConn: true });
  const first = (await request()).body.toString();
  await sleep(900);
  assert.equal((await request()).body.toString(), first, 'the same worker serves on');
  assert.deepEqual(daemon.workers(), before);
  assert.doesNotMatch(daemon.log.text, /timed out/);
});

test('a client that is still sending its body sees the 504', async (t) => {
  const daemon = await startTsfpm(t, {
    files: { 'quick.php': '<?php echo 1;' },
    pools: { www: { request_terminate_timeout: '300ms' } },
  });
  const socket = connect(daemon.address() as string);
  t.after(() => socket.destroy());
  const params = {
    SCRIPT_FILENAME: daemon.folder.script('quick.php'),
    REQUEST_METHOD: 'POST',
    CONTENT_LENGTH: '1000000',
  };
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = once(socket, 'end');
  // Without the end of the body.
  socket.write(requestBytes({ params, body: Buffer.alloc(60_000, 'x') }).subarray(0, -8));
  await ended;
  assert.match(Buffer.concat(chunks).toString('latin1'), /Status: 504 Gateway Timeout\r\n/);
  assert.deepEqual([...Buffer.concat(chunks).subarray(-16, -14)], [1, 3], 'END_REQUEST is the last record');
  await daemon.expectLog(/timed out \(\S+ sec\), terminating/);
  await daemon.expectLog(/its request had timed out/);
});

test('fastcgi_finish_request ends what is timed, unless request_terminate_timeout_track_finished', async (t) => {
  const script = `<?php echo 'answered'; fastcgi_finish_request(); usleep(1000000); touch($_GET['mark']);`;
  const pool = { request_terminate_timeout: '300ms', 'pm.max_children': 1 };
  const daemon = await startTsfpm(t, {
    files: { 'late.php': script },
    pools: { www: pool, strict: { ...pool, request_terminate_timeout_track_finished: 'yes' } },
  });
  daemon.announce(/was at: usleep/);
  const late = (name: string) =>
    daemon.get('late.php', {
      pool: name,
      params: { QUERY_STRING: `mark=${daemon.folder.at(`marks/${name}`)}` },
    });
  assert.deepEqual(await Promise.all([late('www'), late('strict')]), ['answered', 'answered']);
  await daemon.expectLog(/\[pool strict\] child \d+, .* execution timed out/);
  await daemon.expectLog(/\[pool strict\] .*, its request had timed out/);
  await until('the other one goes on', () => existsSync(daemon.folder.at('marks/www')));
  assert.ok(!existsSync(daemon.folder.at('marks/strict')));
  assert.doesNotMatch(daemon.log.text, /\[pool www\].*timed out/);
});

test("the request after one that timed out is nobody's business", async (t) => {
  // Requests that end just when they are to be ended: whichever comes first, each gets one whole answer.
  const daemon = await startTsfpm(t, {
    files: { 'edge.php': '<?php usleep((int) $_GET["us"]); echo "whole";' },
    pools: { www: { request_terminate_timeout: '200ms', 'pm.max_children': 2 } },
  });
  daemon.announce(/timed out/, /was at:/);
  const answers = [];
  for (let us = 190_000; us < 215_000; us += 2500)
    answers.push(
      await daemon.request('edge.php', { params: { QUERY_STRING: `us=${us}` } }).then(
        ({ status, text, endRequest }) => `${status} ${text.slice(0, 5)} ${endRequest !== undefined}`,
        () => 'closed',
      ),
      await daemon.get('edge.php', { params: { QUERY_STRING: 'us=1000' } }),
    );
  for (const [index, answer] of answers.entries())
    if (index % 2 === 1) assert.equal(answer, 'whole');
    else assert.match(String(answer), /^(200 whole true|504 504 G true|closed)$/);
  await daemon.untilWorkers(2);
});

test('a request of the old generation is timed, too, while that one drains', async (t) => {
  const daemon = await startTsfpm(t, {
    files: { 'quick.php': '<?php echo getmypid();', 'long.php': '<?php sleep(20);' },
    pools: { www: { request_terminate_timeout: '1500ms', 'pm.max_children': 1 } },
  });
  daemon.announce(/was at: sleep/);
  const long = daemon.request('long.php');
  await sleep(200);
  const before = daemon.workers();
  daemon.signal('SIGUSR2');
  await until('a new worker serves', () => daemon.workers().some((pid) => !before.includes(pid)));
  assert.ok(!before.includes(Number(await daemon.get('quick.php'))));
  await daemon.expectLog(/child \d+, script '\S+long\.php' .* execution timed out/);
  assert.equal((await long).status, 504);
  await until('the old worker is gone', () => daemon.workers().every((pid) => !before.includes(pid)));
});

const mayDrop = isRoot && existsSync('/usr/bin/setpriv');

test('without the right to trace, a warning at the start, and slow requests without a backtrace', {
  skip: mayDrop ? false : 'needs root and setpriv, to take a capability away',
}, async (t) => {
  const folder = prepareFolder(t, {
    files: { 'slow.php': '<?php usleep(600000); echo "done";' },
    pools: { www: { slowlog: '{folder}/slow.log', request_slowlog_timeout: '200ms' } },
  });
  const child = spawn(
    '/usr/bin/setpriv',
    [
      '--bounding-set=-sys_ptrace',
      '--inh-caps=-sys_ptrace',
      process.execPath,
      TSFPM,
      '--config',
      folder.configFile,
      '-F',
      '-O',
    ],
    { cwd: folder.path, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const log = TextWatch.ofStream('stderr', child.stderr);
  await log.expect(
    /WARNING: \[pool www\] slow requests will be logged without a backtrace: .*CAP_SYS_PTRACE/,
  );
  const response = await fcgiRequest(folder.at('www.sock'), {
    params: scriptParams(folder.script('slow.php')),
  });
  assert.equal(response.body.toString(), 'done');
  await log.expect(/executing too slow/);
  const entry = await until('the entry is written', () => readFileSync(folder.at('slow.log'), 'utf8'));
  assert.match(entry, /\nrequest = "GET .*\n\+\+\+ dump failed\n$/);
  assert.equal(log.text.match(/without a backtrace/g)?.length, 1, 'told once');
  child.kill('SIGTERM');
  await once(child, 'exit');
});
