import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import fc from 'fast-check';
import {
  type FpmLine,
  formatFpmLine,
  formatSyslogText,
  syslogMessages,
} from '../../../src/log/line-format.js';

const timeUs = Date.UTC(2026, 10, 2, 3, 4, 5) * 1000 + 6789;
const place = { functionName: 'bindHost', line: 12 };
const HEAD_BYTES = '[02-Nov-2026 03:04:05] NOTICE: '.length;

beforeEach(() => {
  process.env.TZ = 'UTC';
});

function format(more: Partial<FpmLine>, limit = 1024): string {
  return formatFpmLine({ timeUs, level: 'notice', message: 'x', ...more }, limit).toString();
}

test('writes a line as php-fpm does', () => {
  assert.equal(
    format({ message: 'fpm is running, pid 7' }),
    '[02-Nov-2026 03:04:05] NOTICE: fpm is running, pid 7\n',
  );
  assert.equal(format({ level: 'warning' }), '[02-Nov-2026 03:04:05] WARNING: x\n');
});

test('adds microseconds, pid and place for log_level = debug', () => {
  assert.equal(
    format({ level: 'error', debug: { pid: 7, place } }),
    '[02-Nov-2026 03:04:05.006789] ERROR: pid 7, bindHost(), line 12: x\n',
  );
});

test('shows local time', () => {
  process.env.TZ = 'Asia/Kolkata';
  assert.match(format({}), /^\[02-Nov-2026 08:34:05\]/);
});

test('leaves bytes as they are, but keeps a message on one line', () => {
  assert.equal(format({ message: 'a"\\\t\u001b[0mé\u0000b' }).slice(HEAD_BYTES), 'a"\\\t\u001b[0mé\u0000b\n');
  assert.equal(format({ message: 'a\n[forged] b\r' }).slice(HEAD_BYTES), 'a\\n[forged] b\\r\n');
});

// Lengths without the newline, each measured on php-fpm 8.2.
for (const [limit, length, expected] of [
  [1024, 1051, 1051],
  [1024, 2047, 2047],
  [1024, 2048, 1023],
  [1500, 5000, 1499],
  [4096, 2048, 2047],
  [512, 100_000, 511],
] as const) {
  test(`with log_limit ${limit} a line of ${length} bytes has ${expected}`, () => {
    const line = format({ message: 'y'.repeat(length - HEAD_BYTES) }, limit);
    assert.equal(line.length - 1, expected);
    assert.equal(line.endsWith('...\n'), expected < length);
  });
}

test('never cuts through a character', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom('é', '€', '😀'),
      fc.integer({ min: 512, max: 600 }),
      (shift, character, limit) => {
        const message = 'x'.repeat(shift) + character.repeat(1500);
        const line = formatFpmLine({ timeUs, level: 'notice', message }, limit);
        assert.ok(line.length <= limit && line.length > limit - 4);
        assert.doesNotMatch(line.toString(), /\ufffd/);
      },
    ),
  );
});

test('gives syslog the level in brackets', () => {
  const line = { timeUs, level: 'alert', message: 'x' } as const;
  assert.equal(formatSyslogText(line), '[ALERT] x');
  assert.equal(formatSyslogText({ ...line, debug: { pid: 7, place } }), '[ALERT] bindHost(), line 12: x');
});

test('gives syslog one message a line, without control bytes', () => {
  assert.deepEqual(syslogMessages('a\tb\u001b\u007f é\n\nc\n'), ['a\\x09b\\x1b\\x7f é', 'c']);
});
