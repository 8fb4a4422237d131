import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from '../../../src/errors.js';
import { reopenLogs } from '../../../src/lifecycle/reopen-logs.js';
import { LogOpenError } from '../../../src/log/file-sink.js';
import { FakeLog } from '../../helpers/fake-log.js';

/** @param failures of access logs; undefined where there are none */
function reopen(failures: string[] | undefined, reopenErrorLog = () => {}) {
  const log = new FakeLog();
  const outcome = reopenLogs({
    log,
    errorLog: { reopen: reopenErrorLog },
    accessLogs: { isEmpty: failures === undefined, reopen: () => failures ?? [] },
  });
  return { ...outcome, lines: log.lines };
}

test('each kind of log is told, and access logs only where there are some', () => {
  assert.deepEqual(reopen(undefined), {
    isComplete: true,
    summary: 'error log file re-opened',
    lines: ['error log file re-opened'],
  });
  assert.deepEqual(reopen([]), {
    isComplete: true,
    summary: 'error log file re-opened; access log file re-opened',
    lines: ['error log file re-opened', 'access log file re-opened'],
  });
});

test('an access log that cannot be opened is told in php-fpm’s words', () => {
  assert.deepEqual(reopen(['no a.log']), {
    isComplete: false,
    summary: 'no a.log',
    lines: ['error log file re-opened', 'no a.log', 'unable to re-opened access log file'],
  });
});

test('where the error log cannot be opened, the access logs stay', () => {
  const cause = new SystemError({
    code: 'ENOENT',
    errno: 2,
    syscall: 'open',
    reason: 'No such file or directory',
  });
  const { isComplete, lines } = reopen(['never asked'], () => {
    throw new LogOpenError('/gone/tsfpm.log', cause);
  });
  assert.equal(isComplete, false);
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /\/gone\/tsfpm\.log/);
  assert.equal(lines[1], 'unable to re-opened error log file');
});
