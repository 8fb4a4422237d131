import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { encodeNotification, type Notification, notify } from '../../../src/systemd/notify.js';
import { NotifySocket } from './notify-socket.js';

const CASES: readonly [what: string, notification: Notification, text: string][] = [
  ['ready', { ready: true }, 'READY=1'],
  [
    'a reload, in one datagram',
    { reloadingSinceUs: 123456789012 },
    'RELOADING=1\nMONOTONIC_USEC=123456789012',
  ],
  ['the end', { stopping: true, status: 'bye' }, 'STOPPING=1\nSTATUS=bye'],
  ['a sign of life', { watchdog: true, status: 'x' }, 'WATCHDOG=1\nSTATUS=x'],
  ['all of a start', { ready: true, status: 'up', mainPid: 42 }, 'READY=1\nSTATUS=up\nMAINPID=42'],
  ['an empty status', { status: '' }, 'STATUS='],
  ['a status that would forge a field', { status: 'a\nMAINPID=1\r\nb\0c' }, 'STATUS=a MAINPID=1 b c'],
];

for (const [what, notification, text] of CASES) {
  test(`tells ${what}`, () => assert.equal(encodeNotification(notification), text));
}

for (const isAbstract of [false, true]) {
  test(`reaches ${isAbstract ? 'an abstract socket' : 'a socket with a path'}`, (t) => {
    const socket = new NotifySocket(isAbstract);
    t.after(() => socket.close());
    assert.equal(notify(socket.address, { ready: true }), undefined);
    assert.equal(notify(socket.address, { status: 'grün' }), undefined);
    assert.deepEqual(socket.received(), ['READY=1', 'STATUS=grün']);
  });
}

const descriptors = () => readdirSync('/proc/self/fd').length;

test('failures are returned, and leave no descriptor', () => {
  notify('/nowhere/at/all', { ready: true });
  const before = descriptors();
  assert.equal(notify('/nowhere/at/all', { ready: true })?.code, 'ENOENT');
  assert.equal(notify('@tsfpm-nobody-is-here', { ready: true })?.code, 'ECONNREFUSED');
  assert.equal(notify(`/${'x'.repeat(200)}`, { ready: true })?.code, 'ENAMETOOLONG');
  assert.equal(notify(`@${'x'.repeat(108)}`, { ready: true })?.code, 'ENAMETOOLONG');
  assert.equal(descriptors(), before);
});

test('a reader that does not read blocks nobody', (t) => {
  const socket = new NotifySocket();
  t.after(() => socket.close());
  const failures = Array.from({ length: 5000 }, () => notify(socket.address, { ready: true })).filter(
    (failure) => failure !== undefined,
  );
  assert.equal(failures[0]?.code, 'EAGAIN');
});
