import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  dumpValueOf,
  octalMode,
  parseValueOf,
  printValueOf,
  type ValueKind,
} from '../../../src/config/values.js';

const NUMBER = 'is not a valid number (greater or equal than zero)';
const SUFFIX = 'unknown suffix used in time value';
const SIZE = "is not a valid size (a number of bytes, or of K, M or G as in '256M')";
const BOOLEAN = 'invalid boolean value';

const ACCEPTED: readonly [kind: ValueKind, text: string, value: unknown][] = [
  ['string', ' as it is ', ' as it is '],
  ['integer', '12', 12],
  ['integer', '', 0],
  ['integer', '-5', -5],
  ['integer', '-', 0],
  ['integer', '2147483647', 2147483647],
  ['integer', '2147483648', -2147483648],
  ['integer', '0012', 12],
  ['time', '10', 10],
  ['time', '10s', 10],
  ['time', '2m', 120],
  ['time', '2h', 7200],
  ['time', '2d', 172800],
  ['time', '100ms'.slice(0, -1), 6000],
  ['time', '100ms', 100],
  ['fineTime', '1500ms', 1.5],
  ['fineTime', '1.5s', 1.5],
  ['fineTime', '0.25', 0.25],
  ['fineTime', '1.5m', 90],
  ['fineTime', '0.0001', 0.001],
  ['fineTime', '0ms', 0],
  ['fineTime', '0.0', 0],
  ['fineTime', '1.0006s', 1.001],
  ['fineTime', '30', 30],
  ['fineTime', '2m', 120],
  ['fineTime', '10d', 864_000],
  ['fineTime', 'abc5', 0],
  ['time', '1x5', 1],
  ['time', 'abc5', 0],
  ['time', 's', 0],
  ['time', '1.5h', 3600],
  ['time', '-5', -5],
  ['size', '0', 0],
  ['size', '4096', 4096],
  ['size', '64K', 65_536],
  ['size', '256m', 268_435_456],
  ['size', '2G', 2_147_483_648],
  ['boolean', '1', true],
  ['boolean', 'yes', true],
  ['boolean', 'true', true],
  ['boolean', 'on', true],
  ['boolean', '', false],
  ['boolean', '0', false],
  ['boolean', 'no', false],
  ['boolean', 'none', false],
  ['boolean', 'false', false],
  ['boolean', 'off', false],
  ['level', 'WARN', 'warning'],
  ['level', 'Warning', 'warning'],
  ['level', 'alert', 'alert'],
  ['mode', 'abc', 'abc'],
  ['rlimitCore', 'Unlimited', 'unlimited'],
  ['rlimitCore', '5', 5],
  ['pm', 'STATIC', 'static'],
  ['pm', 'ondemand', 'ondemand'],
  ['facility', 'LOCAL7', 'local7'],
  ['logFormat', 'JSON', 'json'],
  ['sapiName', 'cgi-fcgi', 'cgi-fcgi'],
];

for (const [kind, text, value] of ACCEPTED) {
  test(`${kind} '${text}' is ${value}`, () => assert.deepEqual(parseValueOf(kind, text), { value }));
}

const REFUSED: readonly [kind: ValueKind, text: string, reason: string][] = [
  ['integer', '1.5', NUMBER],
  ['integer', ' 1', NUMBER],
  ['integer', '--1', NUMBER],
  ['integer', '1k', NUMBER],
  ['time', '', 'invalid time value'],
  ['time', '10M', SUFFIX],
  ['time', '10x', SUFFIX],
  ['size', '', SIZE],
  ['size', '-1', SIZE],
  ['size', '1.5G', SIZE],
  ['size', '10MB', SIZE],
  ['size', 'M', SIZE],
  ['size', '999999999999G', 'is too large'],
  ['boolean', 'Yes', BOOLEAN],
  ['boolean', '2', BOOLEAN],
  ['level', 'info', "invalid value for 'log_level'"],
  ['level', 'constructor', "invalid value for 'log_level'"],
  ['rlimitCore', '-1', "must be greater than zero or 'unlimited'"],
  ['rlimitCore', 'x', NUMBER],
  ['pm', '', 'invalid process manager (static, dynamic or ondemand)'],
  ['facility', 'LOG_DAEMON', 'invalid value'],
  ['logFormat', 'xml', "must be 'fpm' or 'json'"],
  ['sapiName', 'apache', "must be 'fpm-fcgi' or 'cgi-fcgi'"],
];

for (const [kind, text, reason] of REFUSED) {
  test(`${kind} '${text}' is refused`, () => assert.deepEqual(parseValueOf(kind, text), { reason }));
}

test('the dump shows numbers where php-fpm does', () => {
  assert.equal(dumpValueOf('facility', 'local0'), '128');
  assert.equal(dumpValueOf('rlimitCore', 'unlimited'), '-1');
  assert.equal(dumpValueOf('time', 5), '5s');
  assert.equal(dumpValueOf('boolean', false), 'no');
});

test('an octal mode is read as far as it is one', () => {
  assert.deepEqual(['0660', '666', '0679', 'abc', '', ' 7'].map(octalMode), [0o660, 0o666, 0o67, 0, 0, 7]);
});

test('what is printed is read back', () => {
  const kinds: ValueKind[] = [
    'string',
    'integer',
    'time',
    'boolean',
    'level',
    'rlimitCore',
    'pm',
    'facility',
    'logFormat',
    'sapiName',
  ];
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.string(), (kind, text) => {
      const parsed = parseValueOf(kind, text);
      if ('value' in parsed) assert.deepEqual(parseValueOf(kind, printValueOf(kind, parsed.value)), parsed);
    }),
  );
});
