import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createStderrSink, DescriptorSink } from '../../../src/log/descriptor-sink.js';
import { openErrorLog } from '../../../src/log/file-sink.js';
import type { LogEntry } from '../../../src/log/sinks.js';
import { createSyslogSink } from '../../../src/log/syslog-sink.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-log-'));
after(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

function entry(text: string): LogEntry {
  return { level: 'notice', threshold: 'notice', line: Buffer.from(`${text}\n`), syslogText: text };
}

test('a log file is appended to and is for its owner alone', () => {
  for (const text of ['one', 'two']) {
    const sink = openErrorLog(path('error.log'));
    sink.write(entry(text));
    sink.close();
  }
  assert.equal(readFileSync(path('error.log'), 'utf8'), 'one\ntwo\n');
  assert.equal(statSync(path('error.log')).mode & 0o777, 0o600);
});

test('a log file is not inherited by programs', () => {
  const sink = openErrorLog(path('cloexec.log'));
  assert.match(readFileSync(`/proc/self/fdinfo/${sink.fd}`, 'utf8'), /flags:\t0*2\d{6}\n/);
  sink.close();
});

test('a log that cannot be opened is told in php-fpm words', () => {
  assert.throws(() => openErrorLog(path('no/error.log')), {
    name: 'LogOpenError',
    message: `failed to open error_log (${path('no/error.log')}): No such file or directory (2)`,
  });
});

test('a rotated log goes on in a new file, and in the old one if that fails', () => {
  const sink = openErrorLog(path('rotate.log'));
  sink.write(entry('old'));
  renameSync(path('rotate.log'), path('rotate.log.1'));
  sink.write(entry('still old'));
  sink.reopen();
  sink.write(entry('new'));
  assert.equal(readFileSync(path('rotate.log.1'), 'utf8'), 'old\nstill old\n');
  assert.equal(readFileSync(path('rotate.log'), 'utf8'), 'new\n');

  unlinkSync(path('rotate.log'));
  symlinkSync(path('no/where'), path('rotate.log'));
  const { fd } = sink;
  assert.throws(() => sink.reopen(), { code: 'LOG_OPEN' });
  assert.equal(sink.fd, fd);
  sink.write(entry('not lost'));
  sink.close();
});

test('a full disk loses lines, and says how many when there is room again', () => {
  symlinkSync('/dev/full', path('full.log'));
  const sink = openErrorLog(path('full.log'));
  sink.write(entry('a'));
  sink.write(entry('b'));
  assert.equal(sink.takeLostLines(), undefined);
  unlinkSync(path('full.log'));
  sink.reopen();
  sink.write(entry('c'));
  assert.deepEqual(sink.takeLostLines(), { count: 2, reason: 'No space left on device (28)' });
  assert.equal(sink.takeLostLines(), undefined);
  assert.equal(readFileSync(path('full.log'), 'utf8'), 'c\n');
  sink.close();
});

test('a full pipe is waited for a little, then a line that broke off is ended', () => {
  execFileSync('mkfifo', [path('pipe')]);
  const reader = openSync(path('pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path('pipe'), constants.O_WRONLY | constants.O_NONBLOCK);
  const sink = new DescriptorSink(writer);
  const startedAt = performance.now();
  sink.write(entry('x'.repeat(100_000)));
  const took = performance.now() - startedAt;
  assert.ok(took >= 90 && took < 2000, `took ${took} ms`);

  const bytes = Buffer.alloc(200_000);
  const broken = readSync(reader, bytes);
  assert.ok(broken >= 4096 && broken < 100_000);
  sink.write(entry('next'));
  assert.equal(bytes.toString('utf8', 0, readSync(reader, bytes)), '\nnext\n');
  assert.equal(sink.takeLostLines()?.count, 1);
  closeSync(reader);
  sink.close();
});

test('a pipe that stays full is waited for once, not for each line', () => {
  execFileSync('mkfifo', [path('full-pipe')]);
  const reader = openSync(path('full-pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
  const sink = openErrorLog(path('full-pipe'));
  sink.write(entry('x'.repeat(100_000)));
  const startedAt = performance.now();
  for (let n = 0; n < 100; n++) sink.write(entry('lost'));
  assert.ok(performance.now() - startedAt < 2000);
  readSync(reader, Buffer.alloc(200_000));
  sink.write(entry('found'));
  assert.equal(sink.takeLostLines()?.count, 101);
  closeSync(reader);
  sink.close();
});

test('a closed pipe on stderr does no harm', () => {
  execFileSync('mkfifo', [path('closed')]);
  const reader = openSync(path('closed'), constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path('closed'), constants.O_WRONLY | constants.O_NONBLOCK);
  closeSync(reader);
  const sink = createStderrSink(writer);
  sink.write(entry('x'));
  assert.equal(sink.takeLostLines?.(), undefined);
  sink.close();
  closeSync(writer);
});

test('a closed stderr does no harm', () => {
  const program = `
    import { createStderrSink } from ${JSON.stringify(new URL('../../../src/log/descriptor-sink.js', import.meta.url))};
    createStderrSink(99).write({ level: 'notice', threshold: 'notice', line: Buffer.from('x'), syslogText: 'x' });
  `;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 10_000 });
  assert.equal(result.status, 0, result.stderr.toString());
});

test('syslog takes lines, with or without a daemon', () => {
  const sink = createSyslogSink('tsfpm-test', 24);
  sink.write(entry('[NOTICE] 100%s'));
  sink.close();
});
