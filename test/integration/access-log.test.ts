import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, runTsfpm, startTsfpm } from '../helpers/daemon.js';
import { isRoot } from '../helpers/daemon-folder.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess } from '../helpers/processes.js';
import { RELOADED } from '../helpers/reload.js';
import { rawAnswer } from '../helpers/status-page.js';
import { freePort } from '../helpers/two-pools.js';
import { sleep, until } from '../helpers/wait.js';
import { PHP_FPM, phpFpmVersion, RealPhpFpm } from '../unit/status/real-php-fpm.js';

const LOG = { 'access.log': '{folder}/access.log' };
const FILES = {
  'pid.php': PID_PHP,
  'i.php': '<?php echo "ok";',
  'headers.php': `<?php header('X-One: 1'); header('X-Two: two words'); header('Content-Type: text/plain');
    http_response_code((int) $_GET['status']); echo 'x';`,
  'late.php': `<?php register_shutdown_function(function () { http_response_code(503); });`,
  'finish.php': '<?php echo "early"; fastcgi_finish_request(); usleep(50000);',
  'dies.php': '<?php posix_kill(getmypid(), SIGKILL); sleep(5);',
  'ends.php': '<?php fastcgi_finish_request(); register_shutdown_function(fn() => 0);',
  'fails.php': '<?php ini_set("display_errors", "0"); undefined_function();',
  'burn.php': '<?php $until = microtime(true) + 0.15; while (microtime(true) < $until); echo "done";',
};
const logOf = (tsfpm: Daemon, name = 'access.log') => {
  const path = tsfpm.folder.at(name);
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n').slice(0, -1) : [];
};
const untilLines = (tsfpm: Daemon, count: number, name = 'access.log') =>
  until(`${count} lines in ${name}`, () => logOf(tsfpm, name).length >= count && logOf(tsfpm, name)).catch(
    (error: Error) => {
      error.message += `; there are:\n${logOf(tsfpm, name).join('\n')}`;
      throw error;
    },
  );
const query = (text: string) => ({ params: { QUERY_STRING: text } });

const skip = phpFpmVersion() === undefined ? `${PHP_FPM} is not installed` : false;

/** All but numbers of the moment. */
const FORMAT =
  '%R|%u|%m|%r|%Q%q|%s|%f|%l|%n|%{HTTP_HOST}e|%{NO_SUCH}e|%{EMPTY}e|%{X-One}o|%{X-Two}o|%{Content-Type}o|%{Content-type}o|%{x-one}o|%{kilo}M|%{}R|100%%|%{%Y %Z %% %Q}t|%';

test('the same requests leave the same lines as under php-fpm', { skip }, async (t) => {
  const environment = { ...process.env, TZ: 'UTC' };
  const settings = {
    'pm.max_children': 1,
    'pm.status_path': '/status',
    'ping.path': '/ping',
    'access.format': `'${FORMAT}'`,
    'access.suppress_path[]': '/quiet.php',
    'access.log': '{folder}/access.log',
  };
  const real = await RealPhpFpm.start(
    environment,
    Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}`)
      .join('\n'),
  );
  t.after(() => real.stop());
  const files = { ...FILES, 'quiet.php': FILES['i.php'] };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(real.folder, name), text);
  const tsfpm = await startTsfpm(t, { pools: { www: settings }, files, environment: { TZ: 'UTC' } });
  const requests: Record<string, string>[] = [
    { SCRIPT_NAME: '/i.php', HTTP_HOST: 'example.org', EMPTY: '' },
    { SCRIPT_NAME: '/i.php', QUERY_STRING: 'a=1&b="2"', HTTP_AUTHORIZATION: `Basic ${btoa('ann:secret')}` },
    { SCRIPT_NAME: '/headers.php', QUERY_STRING: 'status=418' },
    { SCRIPT_NAME: '/headers.php', QUERY_STRING: 'status=302' },
    { SCRIPT_NAME: '/fails.php' },
    { SCRIPT_NAME: '/missing.php' },
    { SCRIPT_NAME: '/text.txt' },
    { SCRIPT_NAME: '/status' },
    { SCRIPT_NAME: '/ping', REQUEST_METHOD: 'HEAD' },
    { SCRIPT_NAME: '/quiet.php' },
    { SCRIPT_NAME: '/quiet.php', QUERY_STRING: 'x' },
    { SCRIPT_NAME: '/quiet.php', REQUEST_METHOD: 'HEAD' },
    { SCRIPT_NAME: '/quiet.php', REQUEST_METHOD: 'POST', CONTENT_LENGTH: '0' },
    { SCRIPT_NAME: '/i.php', REQUEST_METHOD: 'PROPFINDPROPFINDPROPFIND' },
    { SCRIPT_NAME: '/i.php', QUERY_STRING: 'y'.repeat(600) },
    { SCRIPT_NAME: '/i.php/path/info', PATH_INFO: '/path/info' },
    { SCRIPT_NAME: '/i.php', HTTP_HOST: '\xe9\xff' },
  ];
  const complete = (folder: string, params: Record<string, string>) => ({
    REQUEST_METHOD: 'GET',
    QUERY_STRING: '',
    ...params,
    SCRIPT_FILENAME: `${folder}${params.SCRIPT_NAME}`,
  });
  for (const folder of [real.folder, tsfpm.folder.at('www')])
    writeFileSync(join(folder, 'text.txt'), 'no PHP', { mode: 0o644 });
  tsfpm.announce(/has been denied|undefined_function/);
  for (const params of requests) {
    await real.get(complete(real.folder, params));
    await rawAnswer(tsfpm.address(), complete(tsfpm.folder.at('www'), params));
  }
  const theirs = readFileSync(join(real.folder, 'access.log'), 'latin1').split('\n').slice(0, -1);
  const ours = await untilLines(tsfpm, theirs.length);
  const plain = (line: string, folder: string) =>
    line
      .replaceAll(folder, '/srv')
      // Of a page tsfpm knows no memory: no PHP ran. Of a missing script php-fpm shows no name.
      .replace(/\|[0-9]+\|-\|100%/, '|M|-|100%');
  assert.ok(theirs.length >= requests.length - 2);
  const named = (lines: string[]) =>
    lines.map((line) =>
      /\|\/(?:status|ping)\|/.test(line) ? line.replace(/\|(?:-|\/srv[^|]*)\|0\|/, '|F|0|') : line,
    );
  assert.deepEqual(
    named(ours.map((line) => plain(line, tsfpm.folder.at('www')))),
    named(theirs.map((line) => plain(line, real.folder))),
  );
});

test('times, CPU, memory, pids and the web server’s address are those of the request', async (t) => {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, {
    pools: {
      tcp: {
        listen: `127.0.0.1:${port}`,
        'pm.max_children': 1,
        ...LOG,
        'access.format':
          '%R %p %P %{milli}d %{micro}d %d %C %{user}C %{system}C %{bytes}M %{mega}M %{%s}t %{%s}T',
      },
    },
    files: FILES,
  });
  const before = Math.floor(Date.now() / 1000);
  await tsfpm.get('burn.php');
  const [line = ''] = await untilLines(tsfpm, 1);
  const [peer, pid, parent, ...numbers] = line.split(' ');
  const [
    milli = 0,
    micro = 0,
    seconds = 0,
    cpu = 0,
    user = 0,
    system = 0,
    bytes = 0,
    mega = 0,
    from = 0,
    to = 0,
  ] = numbers.map(Number);
  assert.deepEqual([peer, Number(pid), Number(parent)], ['127.0.0.1', tsfpm.workers()[0], tsfpm.zygote()]);
  assert.ok(milli >= 150 && milli < 20_000, line);
  assert.ok(Math.abs(micro / 1000 - milli) < 0.01 && Math.abs(seconds * 1000 - milli) <= 0.5, line);
  // The machine has other work: only that it is CPU at all, and adds up.
  assert.ok(cpu > 0 && cpu <= 101 && Math.abs(user + system - cpu) < 0.02, line);
  assert.ok(bytes >= 1 << 20 && Math.floor(bytes / 1024 / 1024) === mega, line);
  assert.ok(from >= before && to >= from && to <= Date.now() / 1000 + 1, line);
});

test('%s is what was sent, though a script goes on or changes its mind', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, ...LOG, 'access.format': '%r %s %{milli}d' } },
    files: FILES,
  });
  await tsfpm.get('finish.php');
  assert.equal((await tsfpm.request('late.php')).status, 503);
  await tsfpm.get('ends.php');
  const lines = (await untilLines(tsfpm, 3)).map((line) => line.split(' '));
  assert.deepEqual(
    lines.map(([uri, status]) => [uri, status]),
    [
      ['/finish.php', '200'],
      ['/late.php', '503'],
      ['/ends.php', '200'],
    ],
  );
  assert.ok(Number(lines[0]?.[2]) >= 50);
});

test('json is one object a line, whatever clients send', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, ...LOG, 'access.format': 'json', 'pm.status_path': '/status' } },
    files: FILES,
  });
  const hostile = '"\\\n\r\t\u2028é{}';
  const worker = Number(await tsfpm.get('pid.php'));
  await tsfpm.request('i.php', {
    params: { QUERY_STRING: hostile, HTTP_USER_AGENT: hostile, HTTP_AUTHORIZATION: `Basic ${btoa('a"b:c')}` },
  });
  await tsfpm.get('i.php', { params: { SCRIPT_NAME: '/status' } });
  const lines = await untilLines(tsfpm, 3);
  const [first, second, page] = lines.map(
    (line) => JSON.parse(Buffer.from(line, 'latin1').toString()) as Record<string, unknown>,
  );
  assert.deepEqual(
    [first?.pool, first?.pid, first?.status, first?.method, first?.uri, first?.user, first?.query],
    ['www', worker, 200, 'GET', '/pid.php', null, null],
  );
  assert.deepEqual([second?.query, second?.user_agent, second?.user], [hostile, hostile, 'a"b']);
  assert.ok(Math.abs(Date.parse(String(second?.time)) - Date.now()) < 60_000);
  assert.ok(Number(second?.duration_ms) > 0 && Number(second?.memory_bytes) >= 1 << 20);
  assert.deepEqual([page?.uri, page?.status], ['/status', 200]);
  assert.deepEqual(Object.keys(page ?? {}), Object.keys(first ?? {}));
});

test('a client cannot forge a line, nor make one longer than php-fpm’s', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...LOG, 'access.format': '%m %q %{HTTP_A}e %{HTTP_B}e', 'pm.max_children': 1 } },
    files: FILES,
  });
  await tsfpm.get('i.php', { params: { QUERY_STRING: 'a\nGET forged\x1b[0m' } });
  await tsfpm.get('i.php', { params: { HTTP_A: 'x'.repeat(5000), HTTP_B: 'y' } });
  const [first, second] = await untilLines(tsfpm, 2);
  assert.equal(first, 'GET a\\x0aGET forged\\x1b[0m - -');
  assert.equal(second?.length, 1023);
  await tsfpm.expectLog(
    /NOTICE: .*the log buffer is full \(1024\)\. The access log request has been truncated\./,
  );
});

test('a request that dies has no line, and those before it in the same worker have theirs', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...LOG, 'access.format': '%r%Q%q', 'pm.max_children': 1 } },
    files: FILES,
  });
  tsfpm.announce(/exited on signal 9/);
  for (let n = 0; n < 20; n++) await tsfpm.get('i.php', query(`n=${n}`));
  await assert.rejects(tsfpm.request('dies.php'), /connection closed/);
  await tsfpm.expectLog(/exited on signal 9/);
  await tsfpm.get('i.php', query('n=20'));
  assert.deepEqual(
    await untilLines(tsfpm, 21),
    Array.from({ length: 21 }, (_, n) => `/i.php?n=${n}`),
  );
});

test('a stop, a kill of the workers and a reload lose no line of a request that was answered', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...LOG, 'access.format': '%q', 'pm.max_children': 3 } },
    files: FILES,
  });
  tsfpm.announce(/exited on signal/);
  const answered: string[] = [];
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const clients = Array.from({ length: 3 }, async (_, client) => {
    for (let n = 0; !isOver; n++) {
      try {
        await tsfpm.get('i.php', query(`${client}.${n}`));
        answered.push(`${client}.${n}`);
      } catch {
        // its worker was killed with it
      }
    }
  });
  tsfpm.signal('SIGUSR2');
  await tsfpm.expectLog(RELOADED);
  for (const pid of tsfpm.workers()) killProcess(pid);
  await tsfpm.untilWorkers(3);
  const zygote = tsfpm.zygote() ?? 0;
  tsfpm.announce(/zygote/);
  await sleep(100);
  killProcess(zygote);
  await tsfpm.untilWorkers(3);
  await until('more', () => answered.length > 300);
  isOver = true;
  await Promise.all(clients);
  await tsfpm.stop();
  const lines = logOf(tsfpm);
  assert.equal(new Set(lines).size, lines.length, 'a line was doubled');
  assert.deepEqual(
    answered.filter((text) => !lines.includes(text)),
    [],
  );
});

test('move-then-signal under load: each request has one line in one of the files', async (t) => {
  const tsfpm = await startTsfpm(t, {
    arguments: [],
    logTo: 'file',
    pools: { www: { ...LOG, 'access.format': '%q', 'pm.max_children': 3 } },
    files: FILES,
  });
  const workers = tsfpm.workers();
  let sent = 0;
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const clients = Array.from({ length: 3 }, async () => {
    while (!isOver) await tsfpm.get('i.php', query(`${sent++}`));
  });
  const files = ['access.log'];
  for (let i = 0; i < 6; i++) {
    const before = sent;
    await until('more requests', () => sent > before + 60);
    files.push(`access.log.${i}`);
    renameSync(tsfpm.folder.at('access.log'), tsfpm.folder.at(`access.log.${i}`));
    tsfpm.signal('SIGUSR1');
    await tsfpm.expectLog(/NOTICE: error log file re-opened\n.*NOTICE: access log file re-opened\n/);
  }
  isOver = true;
  await Promise.all(clients);
  const all = () => files.flatMap((name) => logOf(tsfpm, name));
  await until('every line', () => all().length >= sent);
  assert.deepEqual(
    all()
      .map(Number)
      .sort((a, b) => a - b),
    [...Array(sent).keys()],
  );
  // php-fpm renews its workers for this.
  assert.deepEqual(tsfpm.workers(), workers);
  const { mode, uid } = statSync(tsfpm.folder.at('access.log'));
  assert.equal(mode & 0o777, 0o600);
  if (isRoot) assert.equal(uid, 0);
});

test('an upgrade in place under load loses no line and doubles none', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...LOG, 'access.format': '%q', 'pm.max_children': 3 } },
    files: {
      ...FILES,
      'nap.php': '<?php usleep(2000); echo "ok";',
      'slow.php': '<?php sleep(2); echo "ok";',
    },
  });
  let sent = 0;
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const slow = tsfpm.get('slow.php', query('slow'));
  const clients = Array.from({ length: 3 }, async () => {
    while (!isOver) await tsfpm.get('nap.php', query(`${sent++}`));
  });
  const { code, stdout } = await tsfpmCommand(tsfpm, 'upgrade');
  assert.equal(code, 0, stdout);
  const before = sent;
  await until('more requests', () => sent > before + 50);
  isOver = true;
  await Promise.all(clients);
  await slow;
  await until('every line', () => logOf(tsfpm).length >= sent + 1).catch(() => {});
  const lines = logOf(tsfpm);
  assert.ok(lines.includes('slow'));
  assert.deepEqual(
    lines
      .filter((line) => line !== 'slow')
      .map(Number)
      .sort((a, b) => a - b),
    [...Array(sent).keys()],
  );
});

test('tsfpm reopen does what USR1 does, and tells how it went', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'access.log': '{folder}/logs/access.log', 'access.format': '%q' } },
    files: { ...FILES, '../logs/.keep': '' },
  });
  await tsfpm.get('i.php', query('old'));
  await untilLines(tsfpm, 1, 'logs/access.log');
  renameSync(tsfpm.folder.at('logs/access.log'), tsfpm.folder.at('access.log.1'));
  const good = await tsfpmCommand(tsfpm, 'reopen');
  assert.equal(good.code, 0);
  assert.match(good.stdout, /access log file re-opened/);
  await tsfpm.get('i.php', query('new'));
  assert.deepEqual(await untilLines(tsfpm, 1, 'logs/access.log'), ['new']);
  assert.deepEqual(logOf(tsfpm, 'access.log.1'), ['old']);
  renameSync(tsfpm.folder.at('logs'), tsfpm.folder.at('moved'));
  tsfpm.announce(/open(?:ed)? access log/);
  const bad = await tsfpmCommand(tsfpm, 'reopen');
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /failed to open access log/);
});

test('USR1 with an access log that cannot be opened is told, and the old file goes on', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'access.log': '{folder}/logs/access.log', 'access.format': '%r' } },
    files: { ...FILES, '../logs/.keep': '' },
  });
  renameSync(tsfpm.folder.at('logs'), tsfpm.folder.at('moved'));
  tsfpm.signal('SIGUSR1');
  await tsfpm.expectLog(
    /ERROR: failed to open access log \(.*\/logs\/access\.log\): No such file or directory \(2\)/,
  );
  await tsfpm.expectLog(/ERROR: unable to re-opened access log file/);
  await tsfpm.get('i.php');
  await untilLines(tsfpm, 1, 'moved/access.log');
});

test('an access log that cannot be opened keeps the daemon from starting, and -t finds it', async (t) => {
  const pools = { www: { 'access.log': '{folder}/missing/access.log' } };
  for (const more of [['-O'], ['-t']]) {
    const run = await runTsfpm(t, { pools, arguments: more });
    assert.equal(run.code, 78);
    assert.match(
      run.stderr,
      /ERROR: failed to open access log \(.*\/missing\/access\.log\): No such file or directory \(2\)/,
    );
  }
});

test('a wrong format is refused in php-fpm’s words', async (t) => {
  const run = await runTsfpm(t, { pools: { www: { ...LOG, 'access.format': '%z' } } });
  assert.equal(run.code, 78);
  assert.match(run.stderr, /WARNING: Invalid token in the access\.format \(%z\)/);
  assert.match(run.stderr, /ERROR: \[pool www\] wrong format for access\.format '%z'/);
});

test('a full disk loses lines, not requests, and how many is told', {
  skip: !existsSync('/dev/full'),
}, async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'access.log': '/dev/full', 'access.format': '%r' } },
    files: FILES,
  });
  tsfpm.announce(/lines of the access log/);
  for (let n = 0; n < 30; n++) await tsfpm.get('i.php');
  await tsfpm.stop();
  const told = [
    ...tsfpm.log.text.matchAll(
      /WARNING: ([0-9]+) lines of the access log \/dev\/full were lost: No space left on device \(28\)/g,
    ),
  ];
  assert.equal(
    told.reduce((sum, [, count]) => sum + Number(count), 0),
    30,
  );
});

test('an access log that is a pipe with a slow reader holds up nobody', async (t) => {
  const folder = mkdtempSync('/tmp/tsfpm-test-pipe-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'access.log': pipe, 'access.format': '%q', 'pm.max_children': 1 } },
    files: FILES,
  });
  // More than a pipe holds.
  const COUNT = 300;
  for (let n = 0; n < COUNT; n++) await tsfpm.get('i.php', query(`${n}=${'x'.repeat(400)}`));
  let text = '';
  await until('every line', () => {
    const bytes = Buffer.alloc(1 << 20);
    try {
      text += bytes.toString('latin1', 0, readSync(reader, bytes));
    } catch {
      // EAGAIN: the next ones are on their way
    }
    return (text.match(/\n/g)?.length ?? 0) >= COUNT;
  });
  assert.deepEqual(
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('=')[0]),
    Array.from({ length: COUNT }, (_, n) => String(n)),
  );
});

test('nothing that a worker writes into its ring harms the master', async (t) => {
  const scribble = `<?php
    $maps = file_get_contents('/proc/self/maps');
    preg_match('/^([0-9a-f]+)-([0-9a-f]+) rw-s .*tsfpm/m', $maps, $found) or die('no map');
    $memory = fopen('/proc/self/mem', 'r+');
    stream_set_write_buffer($memory, 0);
    $board = hexdec($found[1]) + 4096 + 1 * 8192;
    mt_srand((int) $_GET['n']);
    for ($i = 0; $i < 60; $i++) {
      fseek($memory, $board + mt_rand(0, 4096 + 3000));
      fwrite($memory, random_bytes(mt_rand(1, 60)));
    }
    echo 'ok';`;
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: { ...LOG, 'access.format': '%q', 'pm.max_children': 1, 'process.dumpable': 'yes' },
      other: { 'access.log': '{folder}/other.log', 'access.format': '%q', 'pm.max_children': 1 },
    },
    files: { ...FILES, 'scribble.php': scribble },
  });
  tsfpm.announce(/lines of the access log|exited on signal/);
  for (let n = 0; n < 40; n++) {
    await tsfpm.request('scribble.php', query(`n=${n}`)).catch(() => {});
    await tsfpm.get('i.php', { pool: 'other', params: { QUERY_STRING: `${n}` } });
  }
  assert.deepEqual(
    await untilLines(tsfpm, 40, 'other.log'),
    Array.from({ length: 40 }, (_, n) => String(n)),
  );
});

test('a burst while the master is held up loses no line', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'access.log': '{folder}/burst.log', 'access.format': '%q', 'pm.max_children': 1 } },
    files: FILES,
  });
  const lines = () => readFileSync(tsfpm.folder.at('burst.log'), 'utf8').split('\n').length - 1;
  const ask = async (count: number) => {
    for (let n = 0; n < count; n++) await tsfpm.get('i.php', query(`${n}=${'x'.repeat(400)}`));
  };
  await ask(100);
  await until('the first lines', () => lines() === 100);
  tsfpm.signal('SIGSTOP');
  try {
    await ask(200);
  } finally {
    tsfpm.signal('SIGCONT');
  }
  await until('every line', () => lines() === 300);
});
