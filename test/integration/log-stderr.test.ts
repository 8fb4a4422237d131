import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, prepareFolder, startTsfpm, TSFPM } from '../helpers/daemon.js';
import { fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { isAlive } from '../helpers/processes.js';
import { until } from '../helpers/wait.js';

// Logs on the daemon's stderr. In these tests it is a socket, as under systemd's journal, unless they say otherwise:
// a socket has a name in /proc, and cannot be opened by it.

const FILES = { 'i.php': '<?php echo "ok";', 'slow.php': '<?php usleep(400000); echo "ok";' };
const query = (text: string) => ({ params: { QUERY_STRING: text } });
const accessLog = (path: string) => ({ 'access.log': path, 'access.format': 'access:%q' });

const textOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Asks with that query, and waits for its line on stderr. */
async function askAndSee(tsfpm: Daemon, stderr: () => string, text: string): Promise<void> {
  await tsfpm.get('i.php', query(text));
  await until(`access:${text} on stderr`, () => stderr().includes(`access:${text}\n`));
}

/** Started without -O: once it serves, descriptor 2 of the master is its error log. */
async function startOnStderr(t: TestContext, path: string): Promise<{ tsfpm: Daemon; stderr: () => string }> {
  const tsfpm = await startTsfpm(t, {
    arguments: [],
    logTo: 'file',
    pools: { www: { ...accessLog(path), slowlog: path, request_slowlog_timeout: '150ms' } },
    files: FILES,
  });
  let text = '';
  tsfpm.stderr?.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  await until('fd 2 is the error log', () => readlinkSync(`/proc/${tsfpm.pid}/fd/2`).endsWith('/error.log'));
  return { tsfpm, stderr: () => text };
}

for (const path of ['/dev/stderr', '/proc/self/fd/2', '/dev/fd/2'])
  test(`access.log and slowlog = ${path} are the stderr of the start, before and after USR1, a reload and an upgrade`, async (t) => {
    const { tsfpm, stderr } = await startOnStderr(t, path);
    tsfpm.announce(/executing too slow/);
    await askAndSee(tsfpm, stderr, 'first');
    tsfpm.signal('SIGUSR1');
    await tsfpm.expectLog(/access log file re-opened/);
    await askAndSee(tsfpm, stderr, 'after-usr1');
    tsfpm.signal('SIGUSR2');
    await tsfpm.expectLog(/ready to handle connections/);
    await askAndSee(tsfpm, stderr, 'after-reload');
    assert.equal((await tsfpmCommand(tsfpm, 'upgrade')).code, 0);
    await askAndSee(tsfpm, stderr, 'after-upgrade');
    tsfpm.signal('SIGUSR1');
    await tsfpm.expectLog(/access log file re-opened/);
    await askAndSee(tsfpm, stderr, 'after-both');
    await tsfpm.get('slow.php');
    await until('the entry', () => stderr().includes('script_filename = '));
    const log = textOf(tsfpm.folder.at('error.log'));
    assert.doesNotMatch(log, /access:|script_filename/);
    assert.match(log, /fpm is running/);
  });

test('error_log on a stderr that is a socket: every line is there, also after USR1 and an upgrade', async (t) => {
  const tsfpm = await startTsfpm(t, {
    arguments: [],
    global: { error_log: '/proc/self/fd/2' },
    pools: { www: accessLog('/dev/stderr') },
    files: FILES,
  });
  await tsfpm.expectLog(/ready to handle connections/);
  tsfpm.signal('SIGUSR1');
  await tsfpm.expectLog(/error log file re-opened/);
  await tsfpm.get('i.php', query('one'));
  await tsfpm.expectLog(/access:one\n/);
  assert.equal((await tsfpmCommand(tsfpm, 'upgrade')).code, 0);
  await tsfpm.expectLog(/ready to handle connections/);
  await tsfpm.get('i.php', query('two'));
  await tsfpm.expectLog(/access:two\n/);
  await tsfpm.stop();
  assert.match(tsfpm.log.text, /exiting, bye-bye!\n$/);
});

test('access.log = /dev/stdout is the stdout of the start', async (t) => {
  const folder = prepareFolder(t, { pools: { www: accessLog('/dev/stdout') }, files: FILES });
  const child = spawn(process.execPath, [TSFPM, '--config', folder.configFile, '-F', '-O'], {
    cwd: folder.path,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  await until('it serves', () => existsSync(folder.at('www.sock')));
  await fcgiRequest(folder.at('www.sock'), {
    params: scriptParams(folder.script('i.php'), { QUERY_STRING: 'x' }),
    stdin: Buffer.alloc(0),
    timeoutMs: 20_000,
  });
  await until('the line', () => stdout.includes('access:x\n'));
  child.kill('SIGTERM');
  await once(child, 'exit');
});

test('in the background /dev/stderr is the caller’s at the start and the error log after USR1, as under php-fpm', async (t) => {
  const folder = prepareFolder(t, { pools: { www: accessLog('/dev/stderr') }, files: FILES });
  const callers = openSync(folder.at('callers'), 'a');
  const started = spawnSync(process.execPath, [TSFPM, '--config', folder.configFile, '-D'], {
    cwd: folder.path,
    stdio: ['ignore', 'ignore', callers],
  });
  closeSync(callers);
  assert.equal(started.status, 0, textOf(folder.at('callers')));
  const pid = Number(textOf(folder.at('tsfpm.pid')));
  t.after(() => isAlive(pid) && process.kill(pid, 'SIGKILL'));
  const ask = (text: string) =>
    fcgiRequest(folder.at('www.sock'), {
      params: scriptParams(folder.script('i.php'), { QUERY_STRING: text }),
      stdin: Buffer.alloc(0),
      timeoutMs: 20_000,
    });
  await ask('before');
  await until('the caller’s stderr', () => textOf(folder.at('callers')).includes('access:before\n'));
  process.kill(pid, 'SIGUSR1');
  await until('the log is open again', () =>
    /access log file re-opened/.test(textOf(folder.at('error.log'))),
  );
  await ask('after');
  await until('the error log', () => textOf(folder.at('error.log')).includes('access:after\n'));
  process.kill(pid, 'SIGTERM');
  await until('the end', () => !isAlive(pid));
});
