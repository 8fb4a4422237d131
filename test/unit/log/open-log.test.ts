import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { openLog } from '../../../src/log/open-log.js';
import { unlessRoot } from '../../helpers/daemon-folder.js';

const TENANT = 1234;

/** A folder of root's own, straight below /tmp, with root's `secret` in it. */
function place(t: TestContext) {
  const folder = mkdtempSync('/tmp/tsfpm-open-log-');
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  const at = (name: string) => join(folder, name);
  writeFileSync(at('secret'), 'secret\n', { mode: 0o600 });
  const tenants = (name: string, mode = 0o755) => {
    mkdirSync(at(name));
    chmodSync(at(name), mode);
    chownSync(at(name), TENANT, TENANT);
  };
  return { at, tenants };
}

function append(path: string, text = 'line\n'): void {
  const fd = openLog(path);
  writeSync(fd, text);
  closeSync(fd);
}

const descriptors = () => readdirSync('/proc/self/fd').length;
const refused = (code: string, reason: RegExp) => (error: NodeJS.ErrnoException & { suffix?: string }) => {
  assert.equal(error.code, code);
  assert.match(error.suffix ?? '', reason);
  return true;
};

test('makes a file for its owner alone, appends to one that is there, and leaves no other descriptor', (t) => {
  const { at } = place(t);
  mkdirSync(at('a'));
  const before = descriptors();
  append(at('a/./log'));
  append(at('a/../a/log'));
  assert.equal(readFileSync(at('a/log'), 'utf8'), 'line\nline\n');
  assert.equal(statSync(at('a/log')).mode & 0o777, 0o600);
  assert.throws(() => openLog(at('missing/log')), { code: 'ENOENT' });
  assert.throws(() => openLog(at('secret/log')), { code: 'ENOTDIR' });
  assert.throws(() => openLog(at('a')), { code: 'EISDIR' });
  assert.equal(descriptors(), before);
});

test('root’s own links are followed, relative and absolute, and a circle of them is an error', (t) => {
  const { at } = place(t);
  mkdirSync(at('real'));
  symlinkSync('real', at('relative'));
  symlinkSync(at('relative'), at('absolute'));
  symlinkSync('../real/log', at('real/link'));
  append(at('absolute/log'));
  append(at('relative/link'));
  assert.equal(readFileSync(at('real/log'), 'utf8'), 'line\nline\n');
  symlinkSync('not/there', at('dangling'));
  assert.throws(() => openLog(at('dangling')), { code: 'ENOENT' });
  symlinkSync('fresh', at('to-nothing'));
  append(at('to-nothing'));
  assert.equal(readFileSync(at('fresh'), 'utf8'), 'line\n');
  symlinkSync('circle', at('circle'));
  assert.throws(() => openLog(at('circle')), { code: 'ELOOP' });
});

test('a file in a tenant’s folder is the tenant’s, and root’s file there goes on', {
  skip: unlessRoot,
}, (t) => {
  const { at, tenants } = place(t);
  tenants('logs', 0o700);
  append(at('logs/new.log'));
  const { uid, gid, mode } = statSync(at('logs/new.log'));
  assert.deepEqual([uid, gid, mode & 0o777], [TENANT, TENANT, 0o600]);
  writeFileSync(at('logs/old.log'), 'old\n', { mode: 0o600 });
  append(at('logs/old.log'));
  assert.equal(readFileSync(at('logs/old.log'), 'utf8'), 'old\nline\n');
  assert.equal(statSync(at('logs/old.log')).uid, 0);
  tenants('home');
  mkdirSync(at('home/logs'));
  append(at('home/logs/log'));
  assert.equal(statSync(at('home/logs/log')).uid, 0);
});

for (const [what, mode, owner] of [
  ['of a tenant', 0o755, TENANT],
  ['of root that a group may write', 0o775, 0],
  ['of root that everybody may write', 0o777, 0],
  ['such as /tmp', 0o1777, 0],
] as const) {
  test(`in a folder ${what} others’ links to root’s files are refused`, { skip: unlessRoot }, (t) => {
    const { at } = place(t);
    mkdirSync(at('logs'));
    chmodSync(at('logs'), mode);
    chownSync(at('logs'), owner, owner);
    symlinkSync(at('secret'), at('logs/log'));
    lchownSync(at('logs/log'), TENANT, TENANT);
    symlinkSync(at(''), at('logs/folder'));
    lchownSync(at('logs/folder'), TENANT, TENANT);
    symlinkSync(at('planted'), at('logs/new'));
    lchownSync(at('logs/new'), TENANT, TENANT);
    linkSync(at('secret'), at('logs/hard'));
    const before = descriptors();
    for (const name of ['log', 'folder/secret', 'new'])
      assert.throws(
        () => openLog(at(`logs/${name}`)),
        refused(
          'ELOOP',
          /^: Too many levels of symbolic links, others than root may have put the symbolic link '.*' there \(40\)$/,
        ),
      );
    assert.throws(
      () => openLog(at('logs/hard')),
      refused('EMLINK', /others than root may write in its folder, and the file has 2 names \(31\)$/),
    );
    assert.equal(readFileSync(at('secret'), 'utf8'), 'secret\n');
    assert.equal(readdirSync(at('')).includes('planted'), false);
    assert.equal(descriptors(), before);
    // What root has put there itself counts.
    symlinkSync(at('elsewhere'), at('logs/roots'));
    append(at('logs/roots'));
    assert.equal(readFileSync(at('elsewhere'), 'utf8'), 'line\n');
  });
}

test('a link of root’s that a tenant has linked into his folder is refused', { skip: unlessRoot }, (t) => {
  const { at, tenants } = place(t);
  tenants('logs');
  symlinkSync(at('secret'), at('roots-link'));
  linkSync(at('roots-link'), at('logs/log'));
  assert.throws(() => openLog(at('logs/log')), refused('ELOOP', /others than root/));
});

test('in a folder such as /tmp a file that somebody else has made is refused', { skip: unlessRoot }, (t) => {
  const { at } = place(t);
  mkdirSync(at('tmp'));
  chmodSync(at('tmp'), 0o1777);
  writeFileSync(at('tmp/log'), '');
  append(at('tmp/log'));
  chownSync(at('tmp/log'), TENANT, TENANT);
  assert.throws(() => openLog(at('tmp/log')), refused('EACCES', /the file belongs to user 1234 \(13\)$/));
});

test('a tenant that swaps his folder for a link all the time never gets root to write elsewhere', {
  skip: unlessRoot,
}, async (t) => {
  const { at, tenants } = place(t);
  tenants('home');
  tenants('home/logs');
  mkdirSync(at('roots'));
  writeFileSync(at('roots/log'), 'secret\n', { mode: 0o600 });
  // As a thread: renames between any two system calls of the opener.
  const swapper = new Worker(
    `const { renameSync, symlinkSync, lchownSync, unlinkSync } = require('node:fs');
     const [home, target, state] = require('node:worker_threads').workerData;
     symlinkSync(target, home + '/link'); lchownSync(home + '/link', ${TENANT}, ${TENANT});
     while (Atomics.load(state, 0) === 0) {
       renameSync(home + '/logs', home + '/aside'); renameSync(home + '/link', home + '/logs');
       renameSync(home + '/logs', home + '/link'); renameSync(home + '/aside', home + '/logs');
       Atomics.add(state, 1, 1);
     }`,
    { eval: true, workerData: [at('home'), at('roots'), new Int32Array(new SharedArrayBuffer(8))] },
  );
  t.after(() => swapper.terminate());
  const outcomes = { opened: 0, refused: 0 };
  const deadline = performance.now() + 10_000;
  while ((outcomes.opened < 50 || outcomes.refused < 50) && performance.now() < deadline) {
    try {
      append(at('home/logs/log'));
      outcomes.opened++;
    } catch (error) {
      assert.match(String((error as NodeJS.ErrnoException).code), /^(?:ELOOP|ENOENT|EAGAIN)$/);
      outcomes.refused++;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await swapper.terminate();
  assert.ok(outcomes.opened > 0 && outcomes.refused > 0, JSON.stringify(outcomes));
  assert.equal(readFileSync(at('roots/log'), 'utf8'), 'secret\n');
});

test('a pipe that nobody reads is told at once, and one with a reader is opened', (t) => {
  const { at } = place(t);
  execFileSync('mkfifo', [at('pipe')]);
  assert.throws(
    () => openLog(at('pipe')),
    refused('ENXIO', /^: No such device or address, nobody has the pipe open for reading \(6\)$/),
  );
  const reader = openSync(at('pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const fd = openLog(at('pipe'));
  t.after(() => closeSync(fd));
  writeSync(fd, 'line\n');
  const bytes = Buffer.alloc(100);
  assert.equal(bytes.toString('utf8', 0, readSync(reader, bytes)), 'line\n');
  assert.throws(
    () => {
      for (;;) writeSync(fd, bytes);
    },
    { code: 'EAGAIN' },
  );
});

test('a device is written to; a socket is told as one', async (t) => {
  const { at } = place(t);
  symlinkSync('/dev/null', at('null'));
  append(at('null'));
  append('/dev/null');
  const server = createServer().listen(at('socket'));
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  assert.throws(() => openLog(at('socket')), refused('ENXIO', /it is a socket \(6\)$/));
});

test('a descriptor by its name in /proc or /dev is that descriptor', (t) => {
  const { at } = place(t);
  const fd = openSync(at('renamed'), 'a');
  t.after(() => closeSync(fd));
  renameSync(at('renamed'), at('log'));
  symlinkSync(`/dev/fd/${fd}`, at('link'));
  for (const path of [`/proc/self/fd/${fd}`, `/proc/${process.pid}/fd/${fd}`, `/dev/fd/${fd}`, at('link')]) {
    const opened = openLog(path);
    assert.equal(fstatSync(opened).ino, fstatSync(fd).ino);
    writeSync(opened, 'x');
    closeSync(opened);
  }
  assert.equal(readFileSync(at('log'), 'utf8'), 'xxxx');
  assert.throws(() => openLog('/proc/self/fd/999'), { code: 'ENOENT' });
});
