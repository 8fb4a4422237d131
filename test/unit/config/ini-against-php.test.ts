// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { phpConstant } from '../../../src/config/constants.js';
import { parseLine } from '../../../src/config/ini-line.js';

const PHP = 'php-cgi';
const hasPhp = spawnSync(PHP, ['-v'], { stdio: 'ignore', timeout: 10_000 }).status === 0;

/** PHP's own parser, to which php-fpm hands each line. Answers null for a syntax error. */
const ORACLE = `<?php
set_error_handler(fn() => true);
$answers = [];
foreach (json_decode(file_get_contents(getenv('INI_LINES'))) as $line) {
  $read = parse_ini_string($line . "\\n", true, INI_SCANNER_NORMAL);
  $answers[] = $read === false ? null : ['read' => (object) $read];
}
echo json_encode($answers);
`;

const MARKS = [
  ...[
    'a',
    'x1',
    '=',
    '=',
    ' ',
    '\t',
    '"',
    '"',
    "'",
    '[',
    ']',
    '${HOME}',
    '${',
    '}',
    '\\',
    ';',
    '|',
    '&',
    '!',
    '~',
  ],
  ...['(', ')', 'yes', 'no', 'null', 'E_ALL', '5', '1.5', '#', '\r', '{', '/', '^', ':', '$x', 'a[b]='],
];

function askPhp(lines: readonly string[]): ({ read: unknown } | null)[] {
  const directory = mkdtempSync(join(tmpdir(), 'tsfpm-ini-'));
  try {
    writeFileSync(join(directory, 'lines.json'), JSON.stringify(lines));
    writeFileSync(join(directory, 'oracle.php'), ORACLE);
    const run = spawnSync(PHP, ['-q', '-n', join(directory, 'oracle.php')], {
      env: { PATH: process.env.PATH, HOME: '/h', INI_LINES: join(directory, 'lines.json') },
      encoding: 'utf8',
      timeout: 30_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    return JSON.parse(run.stdout);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What parse_ini_string would make of our items: it drops names without a value. */
function asPhpArray(line: string): unknown {
  const root: Record<string, unknown> = {};
  let section = root;
  for (const item of parseLine(line, {
    variable: (name) => (name === 'HOME' ? '/h' : undefined),
    constant: phpConstant,
  })) {
    if (item.kind === 'syntax') return null;
    if (item.kind === 'section') {
      section = subArray(root, item.name);
    } else if (item.value !== undefined && item.key === undefined) {
      section[item.name] = item.value;
    } else if (item.value !== undefined) {
      const list = subArray(section, item.name);
      list[item.key || nextIndex(list)] = item.value;
    }
  }
  return { read: root };
}

function subArray(parent: Record<string, unknown>, name: string): Record<string, unknown> {
  const known = parent[name];
  const array = typeof known === 'object' && known !== null ? (known as Record<string, unknown>) : {};
  parent[name] = array;
  return array;
}

function nextIndex(list: Record<string, unknown>): number {
  const indices = Object.keys(list).filter((key) => /^[0-9]+$/.test(key));
  return Math.max(-1, ...indices.map(Number)) + 1;
}

/** JSON cannot tell an empty list from an empty map, nor a list from a map with the keys 0, 1, ... */
function comparable(value: unknown): unknown {
  return typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, comparable(inner)]))
    : value;
}

test('random lines are read as by PHP', { skip: hasPhp ? false : `${PHP} is not installed` }, () => {
  const value = fc.array(fc.constantFrom(...MARKS), { maxLength: 7 }).map((marks) => marks.join(''));
  const line = fc.oneof(
    value,
    value.map((text) => `a = ${text}`),
  );
  // PHP lets a `$` at the end of a line swallow the newline; we do not.
  const lines = fc.sample(line, 4000).filter((text) => !/\$\\?\s*$|\$\\?\r/.test(text));
  const answers = askPhp(lines);
  for (const [index, text] of lines.entries())
    assert.deepEqual(comparable(asPhpArray(text)), comparable(answers[index]), JSON.stringify(text));
});
