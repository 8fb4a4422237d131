import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asSystemError, errorReason, hasCode } from '../../../src/os/libc.js';
import { closeSyslog, openSyslog, writeSyslog } from '../../../src/os/syslog.js';

test('syslog takes any text, with or without a daemon', () => {
  openSyslog('tsfpm-test', 24);
  openSyslog('tsfpm-test-again', 24);
  writeSyslog('debug', '100%s %n äö \u0001');
  closeSyslog();
});

test('node errors get the shape of ours', () => {
  const node = Object.assign(new Error('x'), { errno: -13, code: 'EACCES', syscall: 'open', path: '/x' });
  const ours = asSystemError(node);
  assert.equal(ours.suffix, ': Permission denied (13)');
  assert.equal(ours.path, '/x');
  assert.equal(ours.cause, node);
  assert.equal(asSystemError(ours), ours);
  assert.ok(hasCode(ours, 'EPERM', 'EACCES'));
  assert.throws(() => asSystemError(new RangeError('bug')), RangeError);
  assert.equal(errorReason(98), 'Address already in use');
});
