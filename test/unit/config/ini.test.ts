// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { phpConstant } from '../../../src/config/constants.js';
import { readIni } from '../../../src/config/ini.js';
import { parseLine } from '../../../src/config/ini-line.js';
import type { IniLookups } from '../../../src/config/ini-value.js';
import { decodePlainLine } from '../../../src/config/plain-line.js';

const VARIABLES = new Map([
  ['HOME', '/h'],
  ['word', 'YES'],
]);
const LOOKUPS: IniLookups = {
  variable: (name) => VARIABLES.get(name),
  constant: phpConstant,
};

/** Value of `a` in a line, or what is wrong with it. */
function valueIn(line: string): string | undefined {
  const item = parseLine(line, LOOKUPS).at(-1);
  return item?.kind === 'syntax' ? item.message : item?.kind === 'entry' ? item.value : undefined;
}

const VALUES: readonly [line: string, value: string][] = [
  ['a = b', 'b'],
  ['a=', ''],
  ['a = a b  c ', 'a b  c'],
  ['a = 10s;note', '10s'],
  ['a = #b', '#b'],
  ['a = "x;y=z!(" ; note', 'x;y=z!('],
  ['a = "x\\n\\"q\\\\ \\$"', 'x\\n"q\\ $'],
  ['a = "c:\\"', 'c:\\'],
  ["a = 'x ${HOME} \\'", 'x ${HOME} \\'],
  ["a = 'it''s'", 'its'],
  ['a = a"b"c', 'abc'],
  ['a = "a" "b"', 'ab'],
  ["a = 'a' 'b'", 'a b'],
  ['a = ${HOME}/x', '/h/x'],
  ['a = "${HOME}"', '/h'],
  ['a = "\\${HOME}"', '${HOME}'],
  ['a = ${word}', 'YES'],
  ['a = ${NOPE}', ''],
  ['a = ${NOPE:-else}', 'else'],
  ['a = ${HOME:-else}', '/h'],
  ['a = $HOME', '$HOME'],
  ['a = x$', 'x$'],
  ['a = Yes', '1'],
  ['a = none ; off', ''],
  ['a = "yes"', 'yes'],
  ['a = onx', 'onx'],
  ['a = E_ALL', '32767'],
  ['a = E_ALL x', '32767 x'],
  ['a = "E_ALL"', 'E_ALL'],
  ['a = E_ALL:', 'E_ALL:'],
  ['a = E_ALL & ~E_NOTICE', '32759'],
  ['a = 1|4', '5'],
  ['a = 1|4&2', '0'],
  ['a = ~/x', '-1'],
  ['a = !1', '0'],
  ['a = ((1|2)&2)', '2'],
  ['a = 99999999999|0', '1215752191'],
  ['a = 99999999999999999999|0', '-1'],
  ['a = {b}?%*,@:/[c]', '{b}?%*,@:/[c]'],
];

for (const [line, value] of VALUES) {
  test(`${line} gives ${JSON.stringify(value)}`, () => assert.equal(valueIn(line), value));
}

const MISTAKES: readonly [line: string, message: string][] = [
  ['a = "x', `syntax error, unexpected end of line, expecting '"'`],
  ["a = 'x", "syntax error, unexpected '''"],
  ['a = no way', "syntax error, unexpected 'way'"],
  ['a = x (1)', "syntax error, unexpected '('"],
  ['a = x=y', "syntax error, unexpected '='"],
  ['a = 1 |', 'syntax error, unexpected end of line'],
  ['a = ${}', "syntax error, unexpected '}', expecting a variable name"],
  ['a = ${A', "syntax error, unexpected end of line, expecting '}'"],
  ['a[b', "syntax error, unexpected end of line, expecting ']'"],
  ['a[b]', "syntax error, unexpected end of line, expecting '='"],
  ['[sec', "syntax error, unexpected end of line, expecting ']'"],
  ['yes = 1', "syntax error, unexpected 'yes'"],
  ['a!b = c', "syntax error, unexpected '!'"],
  ['= c', "syntax error, unexpected '='"],
];

for (const [line, message] of MISTAKES) {
  test(`${line} is refused`, () => assert.equal(valueIn(line), message));
}

test('sections, arrays and names without a value keep their line numbers', () => {
  const text = '\uFEFF; c\r\n[a b]\r\nx[k] = 1\nx[] = 2\n\n# note\nname : v\n["q]"] y = z';
  assert.deepEqual(
    [...readIni(text, LOOKUPS)],
    [
      { kind: 'section', name: 'a b', line: 2 },
      { kind: 'entry', name: 'x', key: 'k', value: '1', line: 3 },
      { kind: 'entry', name: 'x', key: '', value: '2', line: 4 },
      { kind: 'entry', name: '# note', line: 6 },
      { kind: 'entry', name: 'name : v', line: 7 },
      { kind: 'section', name: 'q]', line: 8 },
      { kind: 'entry', name: 'y', value: 'z', line: 8 },
    ],
  );
});

test('a mistake spoils its own line only', () => {
  const items = [...readIni('a = "x\nb = 2\n', LOOKUPS)];
  assert.deepEqual(
    items.map(({ kind, line }) => [kind, line]),
    [
      ['syntax', 1],
      ['entry', 2],
    ],
  );
});

test('what follows a NUL byte is not there', () => {
  assert.deepEqual(
    [...readIni('a = b\0"(\nc = d', LOOKUPS)],
    [
      { kind: 'entry', name: 'a', value: 'b', line: 1 },
      { kind: 'entry', name: 'c', value: 'd', line: 2 },
    ],
  );
});

test('a word without a pair of quotes ends an empty single-quoted value, as in PHP', () => {
  assert.deepEqual(parseLine("a = ''", LOOKUPS), [
    { kind: 'entry', name: 'a', value: '' },
    { kind: 'entry', name: "'" },
  ]);
});

test('operators nested without end are a mistake, not a crash', () => {
  const open = parseLine(`a = ${'('.repeat(100_000)}1`, LOOKUPS);
  const not = parseLine(`a = ${'!'.repeat(100_000)}1`, LOOKUPS);
  assert.equal(open.at(-1)?.kind, 'syntax');
  assert.equal(not.at(-1)?.kind, 'syntax');
});

const MARKS = [
  '=',
  ' ',
  '"',
  "'",
  '[',
  ']',
  '${',
  '}',
  '$',
  '\\',
  ';',
  '|',
  '!',
  '(',
  ')',
  '\r',
  '\n',
  '\0',
  'a',
  'yes',
  '5',
];

test('any text is read without an exception, and every line of an item exists', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom(...MARKS)).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (input) => {
      const lines = input.split('\n').length;
      return [...readIni(input, LOOKUPS)].every(({ line }) => line >= 1 && line <= lines);
    }),
  );
});

test('a file cut anywhere is read without an exception', () => {
  const text = '[www]\nuser = "a b" ; c\nenv[X] = ${HOME}\'q\'\nerror_reporting = (E_ALL & ~E_NOTICE)|!0\n';
  for (let end = 0; end <= text.length; end += 1)
    assert.doesNotThrow(() => [...readIni(text.slice(0, end), LOOKUPS)]);
});

const plainWord = fc.stringMatching(/^[A-Za-z_][A-Za-z_.]{0,12}$/);
const plainValue = fc.stringMatching(/^[\w./:@%+,*?<>-]{1,20}$/);
const blanks = fc.constantFrom('', ' ', '\t', '  ');
const tail = fc.constantFrom('', ' ', '\r', ' ; note', ';"(', ' \t\r');

test('the ini package and the line parser agree on plain lines', () => {
  let decoded = 0;
  fc.assert(
    fc.property(plainWord, blanks, blanks, plainValue, tail, (name, before, after, value, end) => {
      const line = `${name}${before}=${after}${value}${end}`;
      const plain = decodePlainLine(line);
      if (plain === undefined) return;
      decoded += 1;
      assert.deepEqual([{ kind: 'entry', ...plain }], parseLine(line, LOOKUPS));
    }),
    { numRuns: 2000 },
  );
  assert.ok(decoded > 200, `only ${decoded} lines were plain`);
});

test('lines that the two would read differently are not plain', () => {
  for (const line of [
    'a = true',
    'a = null',
    'oN = /',
    'null = 1',
    'a = E_ALL',
    'a = "x"',
    'a = x#y',
    'a = x\\y',
    'a[] = x',
    '[x.y]',
    '__proto__ = x',
  ]) {
    assert.equal(decodePlainLine(line), undefined, line);
  }
});
