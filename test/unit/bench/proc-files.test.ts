import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrivateBytes, parsePssBytes, parseSchedstat, parseStat } from '../../bench/proc-files.js';

const AFTER_STATE = '41 42 42 0 -1 4194304 85 0 1 0 250 30 8 2 20 0 1 0 105906 2654208 367';

test('a stat line yields parent, state, CPU ticks and start', () => {
  const expected = {
    pid: 77,
    parentPid: 41,
    state: 'S',
    cpuTicks: 280,
    endedChildrenTicks: 10,
    startTicks: 105906,
  };
  assert.deepEqual(parseStat(`77 (php-cgi8.2) S ${AFTER_STATE}\n`), expected);
});

test('a process name may hold spaces and parentheses', () => {
  for (const name of ['php-fpm: pool www', 'a) Z 1 2 3', '((', ')']) {
    assert.equal(parseStat(`77 (${name}) R ${AFTER_STATE}`).parentPid, 41, name);
  }
});

test('what is not a stat line is refused', () => {
  for (const line of ['', '77', '77 (php', '77 (php) S 1', `x (php) S ${AFTER_STATE}`])
    assert.throws(() => parseStat(line), /not a line/, line);
});

test('schedstat yields nanoseconds on the CPU, or nothing where the kernel counts none', () => {
  assert.equal(parseSchedstat('510083950 143546 5\n'), 510083950n);
  assert.equal(parseSchedstat('0 0 0\n'), undefined);
  assert.equal(parseSchedstat(''), undefined);
});

test('private memory is the clean and the dirty part', () => {
  const rollup =
    'Rss:  12000 kB\nShared_Dirty: 900 kB\nPrivate_Clean:        40 kB\nPrivate_Dirty:       380 kB\n';
  assert.equal(parsePrivateBytes(rollup), 420 * 1024);
  assert.throws(() => parsePrivateBytes('Private_Clean: 40 kB\n'), /does not tell Private_Dirty/);
});

test('the proportional set is not taken for one of its parts', () => {
  assert.equal(
    parsePssBytes('Rss: 12000 kB\nPss_Anon: 7 kB\nPss:                3100 kB\nPss_Dirty: 5 kB\n'),
    3100 * 1024,
  );
  assert.throws(() => parsePssBytes('Pss_Anon: 7 kB\n'), /does not tell Pss/);
});
