import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { KeyValue, PoolConfig } from '../../../src/config/config.js';
import { LIBRARY_PATH, phpArguments, quoteIni } from '../../../src/zygote/php-arguments.js';

const NO_OPTIONS = { ini: undefined, noIni: false, defines: [], profileInfo: false };
const pool = (settings: Partial<PoolConfig>): PoolConfig =>
  ({ name: 'www', phpValue: [], phpAdminValue: [], ...settings }) as PoolConfig;
const entry = (key: string, value: string): KeyValue => ({ key, value });

test('values come after what the command line defines, admin values last', () => {
  const made = phpArguments(
    pool({ phpValue: [entry('a', '1'), entry('b', '2')], phpAdminValue: [entry('a', '3')] }),
    { ...NO_OPTIONS, defines: ['x=0'] },
  );
  assert.deepEqual(made, [
    '-dx=0',
    `-db='2'`,
    `-da='1'`,
    `-da='3'`,
    '-dcgi.check_shebang_line=0',
    `-dextension=${LIBRARY_PATH}`,
  ]);
});

test('a pool’s php_ini replaces -c and -n', () => {
  const options = { ...NO_OPTIONS, ini: '/etc/a.ini', noIni: true };
  assert.deepEqual(phpArguments(pool({}), options).slice(0, 3), ['-n', '-c', '/etc/a.ini']);
  assert.deepEqual(phpArguments(pool({ phpIni: '/own.ini' }), options).slice(0, 2), ['-c', '/own.ini']);
});

/** Every byte that a php.ini value may hold, and what has a meaning in PHP's INI language. */
const ODD = [
  'plain',
  '',
  ' blanks at both ends ',
  "it's",
  "'",
  "''",
  "a'b'c",
  "'at both ends'",
  "two''inside",
  '"',
  'say "x"',
  `both ' and "`,
  'x;y',
  '# no comment',
  `$HOME \${PATH}`,
  '{}|&~!()^=[]',
  'back\\slash\\',
  "\\'",
  '\\"',
  'On',
  'null',
  'none',
  '1|2',
  'E_ALL',
  'PHP_VERSION',
  'tab\there',
  'ünïcödé €',
  '%s',
  Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join(''),
];

test('PHP reads quoted values back byte by byte', () => {
  const folder = mkdtempSync('/tmp/tsfpm-quote-');
  try {
    const script = join(folder, 'show.php');
    writeFileSync(script, '<?php echo base64_encode(get_cfg_var("tsfpm_test.value"));');
    for (const value of ODD) {
      const shown = execFileSync(
        'php-cgi',
        ['-n', '-q', `-dtsfpm_test.value=${quoteIni(value)}`, '-f', script],
        {
          encoding: 'utf8',
          env: { PATH: process.env.PATH },
          timeout: 10_000,
        },
      );
      assert.equal(Buffer.from(shown, 'base64').toString(), value);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
