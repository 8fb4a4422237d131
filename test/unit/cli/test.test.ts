import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TestOptions, testConfig } from '../../../src/cli/test.js';
import { fatal } from '../../../src/config/problem.js';
import { LOG_LEVELS, type Logger } from '../../../src/log/levels.js';
import { loadText, POOL } from '../config/memory-disk.js';

/** Runs `-t` on a text. */
function check(text: string, options: Partial<TestOptions> = {}): { code: number; lines: string[] } {
  const lines: string[] = [];
  const log = (level: string) => (message: string) => lines.push(`${level.toUpperCase()}: ${message}`);
  const logger = Object.fromEntries(LOG_LEVELS.map((level) => [level, log(level)])) as unknown as Logger;
  const code = testConfig(loadText(text), { file: 't.conf', dump: false, ...options }, logger);
  return { code, lines };
}

const SUCCESS = 'NOTICE: configuration file t.conf test is successful';

test('a file that is right is told in one line and an empty one', () => {
  let emptyLines = 0;
  const endWithEmptyLine = () => {
    emptyLines += 1;
  };
  assert.deepEqual(check(POOL, { endWithEmptyLine }), { code: 0, lines: [SUCCESS] });
  check('wrong', { endWithEmptyLine });
  assert.equal(emptyLines, 1);
});

test('twice shows all settings before', () => {
  const { lines } = check(POOL, { dump: true });
  assert.deepEqual(
    [lines[0], lines[1], lines.at(-2), lines.at(-1)],
    ['NOTICE: [global]', 'NOTICE: \tpid = undefined', 'NOTICE:  ', SUCCESS],
  );
});

test('a file that is wrong ends with exit code 78', () => {
  assert.deepEqual(check('[www]\nx = 1\n', { dump: true }), {
    code: 78,
    lines: [
      "ERROR: [t.conf:2] unknown entry 'x'",
      "ERROR: failed to load configuration file 't.conf'",
      'ERROR: FPM initialization failed',
    ],
  });
});

test('a user that does not exist makes a file wrong', () => {
  const checkMachine = () => [fatal("[pool www] cannot get uid for user 'www-data'")];
  assert.deepEqual(check(POOL, { dump: true, checkMachine }), {
    code: 78,
    lines: ["ERROR: [pool www] cannot get uid for user 'www-data'", 'ERROR: FPM initialization failed'],
  });
});

test('warnings are told and harm nothing', () => {
  const { code, lines } = check(`${POOL}include = /none\n`);
  assert.equal(code, 0);
  assert.match(lines[0] ?? '', /^WARNING: Nothing matches/);
});
