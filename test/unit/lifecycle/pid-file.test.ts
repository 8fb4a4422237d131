import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PidFile, removePidFile, writePidFile } from '../../../src/lifecycle/pid-file.js';

const folder = mkdtempSync('/tmp/tsfpm-pid-');
after(() => rmSync(folder, { recursive: true }));
const path = (name: string) => join(folder, name);

test('the pid is written without a newline, readable for all, and removed', () => {
  const before = process.umask(0o022);
  writePidFile(path('a.pid'));
  process.umask(before);
  assert.equal(readFileSync(path('a.pid'), 'utf8'), String(process.pid));
  assert.equal(statSync(path('a.pid')).mode & 0o777, 0o644);
  removePidFile(path('a.pid'));
  assert.equal(existsSync(path('a.pid')), false);
});

test('a file that is there already is replaced, a link is not followed', () => {
  writeFileSync(path('target'), 'kept');
  symlinkSync(path('target'), path('b.pid'));
  writePidFile(path('b.pid'));
  assert.equal(readFileSync(path('target'), 'utf8'), 'kept');
  assert.equal(readFileSync(path('b.pid'), 'utf8'), String(process.pid));
});

test('a folder that is missing is told in php-fpm’s words', () => {
  assert.throws(() => writePidFile(path('no/c.pid')), {
    message: `Unable to create the PID file (${path('no/c.pid')}).: No such file or directory (2)`,
  });
});

test('a file that somebody else removed is no error, one that cannot be removed is', () => {
  removePidFile(path('never.pid'));
  mkdirSync(path('d.pid'));
  assert.throws(() => removePidFile(path('d.pid')), { message: /^Unable to remove the PID file \(.*\)\.: / });
});

test('the file moves with the configuration, and --pid stands for one that names none', () => {
  const file = new PidFile(path('option.pid'));
  assert.equal(file.path, undefined);
  file.use(undefined);
  assert.equal(file.path, path('option.pid'));
  file.use(path('configured.pid'));
  assert.deepEqual([existsSync(path('option.pid')), existsSync(path('configured.pid'))], [false, true]);
  assert.throws(() => file.use(path('no/such.pid')));
  assert.equal(file.path, path('configured.pid'));
  file.remove();
  assert.equal(existsSync(path('configured.pid')), false);
});

test('a file that is left to another program stays', () => {
  const file = new PidFile(undefined);
  file.use(undefined);
  file.remove();
  file.use(path('left.pid'));
  file.leave();
  file.remove();
  assert.equal(existsSync(path('left.pid')), true);
});
