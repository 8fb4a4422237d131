import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phpMessage } from '../../../src/log/php-message.js';

const ROWS: readonly [line: string, level: string | undefined, text?: string][] = [
  ['NOTICE: PHP message: stock is low', 'notice', 'stock is low'],
  ['PHP message: stock is low', 'notice', 'stock is low'],
  ['NOTICE: sapi_cgi_log_message(), line 12: PHP message: x', 'notice', 'x'],
  ['NOTICE: PHP message: {"event":"paid"}', 'notice', '{"event":"paid"}'],
  ['NOTICE: PHP message: ', 'notice', ''],
  [
    'NOTICE: PHP message: PHP Fatal error:  Uncaught Error: x',
    'error',
    'PHP Fatal error:  Uncaught Error: x',
  ],
  ['NOTICE: PHP message: PHP Parse error:  x', 'error', 'PHP Parse error:  x'],
  ['NOTICE: PHP message: PHP Recoverable fatal error:  x', 'error', 'PHP Recoverable fatal error:  x'],
  ['NOTICE: PHP message: PHP Warning:  x', 'warning', 'PHP Warning:  x'],
  ['NOTICE: PHP message: PHP Notice:  x', 'notice', 'PHP Notice:  x'],
  ['NOTICE: PHP message: PHP Deprecated:  x', 'notice', 'PHP Deprecated:  x'],
  ['NOTICE: PHP message: a script may say PHP Fatal error:', 'notice', 'a script may say PHP Fatal error:'],
  ['NOTICE: something else', undefined],
  ['{"event":"paid"}', undefined],
  ['', undefined],
];

for (const [line, level, text] of ROWS)
  test(`PHP says '${line}' as ${level ?? 'nothing of its own'}`, () =>
    assert.deepEqual(phpMessage(line), level === undefined ? undefined : { level, text }));
