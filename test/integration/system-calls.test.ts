import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { type Settings, unlessRoot } from '../helpers/daemon-folder.js';
import { FastcgiConnection, fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { nameOf, STRACE_IS_MISSING, startTrace } from '../helpers/strace.js';

// What a request costs in system calls, with opcache: the shortest path.

const REQUESTS = 200;
const HELLO_PHP = '<?php echo "hello world\\n";';

async function start(t: TestContext, settings: Settings = {}): Promise<Daemon> {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { pm: 'static', 'pm.max_children': 1, ...settings } },
    files: { 'hello.php': HELLO_PHP, 'nap.php': '<?php usleep(500000);' },
  });
  utimesSync(tsfpm.folder.script('hello.php'), 1, 1); // opcache does not keep files that are younger than 2 s
  return tsfpm;
}

/** How often each call was made, per request; but the one after requests that take long, as all do under strace. */
function perRequest(calls: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of calls.filter((call) => / = |\(/.test(call)).map(nameOf))
    if (/^\w+$/.test(name) && name !== 'sched_yield')
      counts.set(name, (counts.get(name) ?? 0) + 1 / REQUESTS);
  return counts;
}

const sum = (counts: Map<string, number>) => [...counts.values()].reduce((all, count) => all + count, 0);

function assertAtMost(most: number, calls: readonly string[]): void {
  const counts = perRequest(calls);
  const table = [...counts].map(([name, count]) => `${count.toFixed(2)} ${name}`).join('\n');
  assert.ok(
    sum(counts) <= most + SLACK,
    `${sum(counts).toFixed(2)} calls a request:\n${table}\n${calls.slice(0, 60).join('\n')}`,
  );
}

/** What is not of these requests, in calls a request: the trace's ends, a revalidation of the script each two seconds. */
const SLACK = 0.3;

test('a hello world on a new connection costs at most nine system calls', {
  skip: STRACE_IS_MISSING,
}, async (t) => {
  const tsfpm = await start(t);
  const params = scriptParams(tsfpm.folder.script('hello.php'));
  for (let i = 0; i < 5; i++) await fcgiRequest(tsfpm.address(), { params });
  const trace = await startTrace(t, tsfpm.workers()[0] ?? 0, tsfpm.folder.at('trace'));
  // They wait in the queue while the worker is busy, so that each is there as a whole when it is accepted.
  const nap = tsfpm.get('nap.php');
  const bytes = requestBytes({ params });
  const closed = [];
  for (let i = 0; i < REQUESTS; i++) {
    const connection = await FastcgiConnection.open(tsfpm.address());
    t.after(() => connection.close());
    connection.send(bytes);
    closed.push(connection.closed);
  }
  await Promise.all([nap, ...closed]);
  assertAtMost(9, await trace.stop());
});

const DIRECTORY_PHP = `<?php
  register_shutdown_function(function () { echo getcwd(); if (isset($_GET['to'])) chdir($_GET['to']); });`;

/** By libc itself, past the runtime. */
const FFI_PHP = `<?php if (!class_exists('FFI')) die('none');
  register_shutdown_function(fn() => FFI::cdef('int chdir(char *path);', $_GET['libc'])->chdir('/other'));`;

test('in a jail PHP’s directory is known, wherever scripts go', {
  skip: STRACE_IS_MISSING || unlessRoot,
}, async (t) => {
  const jail: Settings = { chroot: '{folder}/www/jail', pm: 'static', 'pm.max_children': 1 };
  const tsfpm = await startTsfpm(t, {
    pools: { jail, free: { ...jail, 'php_admin_value[ffi.enable]': '1' } },
    files: {
      'jail/hello.php': HELLO_PHP,
      'jail/directory.php': DIRECTORY_PHP,
      'jail/ffi.php': FFI_PHP,
      'jail/other/text': '',
    },
  });
  const ask = async (name: string, query = '', pool = 'jail') => {
    const params = { SCRIPT_FILENAME: `/${name}`, SCRIPT_NAME: `/${name}`, QUERY_STRING: query };
    return (await tsfpm.request(name, { pool, params })).text;
  };
  for (let i = 0; i < 3; i++) await ask('hello.php');
  const trace = await startTrace(t, tsfpm.workers('jail')[0] ?? 0, tsfpm.folder.at('trace'));
  for (let i = 0; i < 10; i++) await ask('hello.php');
  assert.doesNotMatch((await trace.stop()).join('\n'), /getcwd/);
  // A worker stays where a script has left it, as under php-fpm.
  assert.equal(await ask('directory.php'), '/');
  await ask('directory.php', 'to=/other');
  for (let i = 0; i < 2; i++) assert.equal(await ask('directory.php'), '/other');
  await ask('directory.php', 'to=/');
  for (let i = 0; i < 2; i++) assert.equal(await ask('directory.php'), '/');
  if ((await ask('ffi.php', 'libc=libc.so.6', 'free')) === 'none') return;
  for (let i = 0; i < 2; i++) assert.equal(await ask('directory.php', '', 'free'), '/other');
});

test('a hello world on a kept connection costs at most eight system calls', {
  skip: STRACE_IS_MISSING,
}, async (t) => {
  const tsfpm = await start(t);
  const bytes = requestBytes({ params: scriptParams(tsfpm.folder.script('hello.php')), keepConn: true });
  const connection = await FastcgiConnection.open(tsfpm.address());
  t.after(() => connection.close());
  const ask = async () => {
    connection.send(bytes);
    while ((await connection.nextRecord())?.type !== 3);
  };
  for (let i = 0; i < 5; i++) await ask();
  const trace = await startTrace(t, tsfpm.workers()[0] ?? 0, tsfpm.folder.at('trace'));
  for (let i = 0; i < REQUESTS; i++) await ask();
  assertAtMost(8, await trace.stop());
});
