import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { test } from 'node:test';
import {
  hasEndedByPidfd,
  openPidfd,
  pidfdFailure,
  sendByNumber,
  sendByPidfd,
} from '../../../src/os/pidfd.js';
import { resourceLimit, setResourceLimit } from '../../../src/os/process.js';
import { ProcessHandle } from '../../../src/os/process-handle.js';
import { sessionOf } from '../../../src/os/process-life.js';
import type { Pid } from '../../../src/units.js';
import { isAlive, processInfo } from '../../helpers/processes.js';
import { until } from '../../helpers/wait.js';

/** A shell that says the value of a queued signal 61: `trap` knows no values, so Perl does. */
const RECEIVER = `use POSIX; $SIG{RTMAX} = sub {}; my $s = POSIX::SigSet->new(61);
  POSIX::sigaction(61, POSIX::SigAction->new(sub { print "got 61\\n"; exit 0 })); $| = 1; print "ready\\n"; sleep 60;`;

/** With so many descriptors left: none goes to a handle. */
function withDescriptors<T>(left: number, work: () => T): T {
  const limit = resourceLimit('openFiles');
  const next = openPidfd(process.pid);
  closeSync(next);
  setResourceLimit('openFiles', { ...limit, soft: next + left });
  try {
    return work();
  } finally {
    setResourceLimit('openFiles', limit);
  }
}

/** As those of a pool are: it began its own session. */
const isChild = (pid: Pid) => sessionOf(pid) === pid && pid !== process.pid;

const WAYS = [
  ['a pidfd', <T>(work: () => T) => work()],
  ['its number and start time, few descriptors left', <T>(work: () => T) => withDescriptors(1, work)],
  ['its number and what it is, no descriptor left', <T>(work: () => T) => withDescriptors(0, work)],
] as const;

test('this machine has pidfds', { skip: pidfdFailure()?.message ?? false }, () => {
  const fd = openPidfd(process.pid);
  assert.ok(sendByPidfd(fd, 0));
  assert.equal(hasEndedByPidfd(fd), false);
  closeSync(fd);
});

for (const [name, around] of WAYS)
  test(`a handle sends signals until its process has ended, and never to another: by ${name}`, async () => {
    const child = spawn('perl', ['-e', RECEIVER], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    await once(child.stdout, 'data');
    const handle = around(() => ProcessHandle.open(child.pid ?? 0, isChild));
    assert.ok(handle);
    assert.equal(handle.hasEnded, false);
    assert.ok(handle.isThere);
    const said = once(child.stdout, 'data');
    assert.ok(handle.send(61, 2n ** 60n));
    assert.match(String(await said), /got 61/);
    await once(child, 'exit');
    assert.ok(handle.hasEnded);
    assert.equal(handle.isThere, false);
    assert.equal(handle.send('SIGKILL'), false);
    handle.close();
  });

test('a handle that was closed stands for nothing, whatever gets its descriptor', () => {
  const child = spawn('sleep', ['60'], { detached: true });
  const handle = ProcessHandle.open(child.pid ?? 0, isChild);
  handle?.close();
  const other = openPidfd(process.pid); // the same number of a descriptor
  assert.equal(handle?.send('SIGKILL'), false);
  closeSync(other);
  assert.ok(isAlive(child.pid ?? 0));
  child.kill('SIGKILL');
});

test('one that has ended and was not reaped is there no more, but its number is still its own', async () => {
  const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = Number(String((await once(shell.stdout, 'data'))[0]));
  await until('it is a zombie', () => processInfo(pid) === undefined);
  const handle = ProcessHandle.open(pid, () => true);
  assert.ok(handle?.hasEnded);
  assert.ok(handle.isThere);
  handle.close();
  shell.kill('SIGKILL');
});

test('there is none for a process that is not meant', () => {
  assert.equal(ProcessHandle.open(process.ppid, isChild), undefined);
});

test('there is no handle for a number without a process', () => {
  assert.equal(
    ProcessHandle.open(2 ** 30, () => true),
    undefined,
  );
  assert.equal(
    ProcessHandle.open(-1, () => true),
    undefined,
  );
  assert.equal(sendByNumber(2 ** 30, 0), false);
});
