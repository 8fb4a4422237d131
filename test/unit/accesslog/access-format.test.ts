import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileAccessFormat } from '../../../src/accesslog/access-format.js';
import { accessFormatMistake } from '../../../src/accesslog/parse-format.js';
import { peerText } from '../../../src/accesslog/peer.js';
import { LOG_FIELD_KINDS, type LogField } from '../../../src/accesslog/record.js';
import { readRecord } from '../../../src/scoreboard/log-record.js';

type Texts = Readonly<Record<string, string>>;

/** What a worker with these params, headers, URI, SCRIPT and PEER would note. */
function noted(fields: readonly LogField[], texts: Texts): (string | undefined)[] {
  return fields
    .filter(({ kind }) => kind !== 'CPU')
    .map(({ kind, name, most }) => texts[name === '' ? kind : `${kind} ${name}`]?.slice(0, most));
}

function line(format: string, texts: Texts = {}, suppressPaths: readonly string[] = [], status = 200) {
  const compiled = compileAccessFormat({ format, pool: 'www', suppressPaths });
  return compiled.line({
    pid: 7,
    parentPid: 3,
    status,
    startEpochUs: 1_795_347_288_123_456,
    durationNs: 12_345_678,
    memoryPeak: 3_500_000,
    cpuUserUs: 6000,
    cpuSystemUs: 2000,
    texts: noted(compiled.fields, texts),
  })?.text;
}

const CASES: readonly [format: string, texts: Texts, expected: string][] = [
  ['%p %P %n %s %%', {}, '7 3 www 200 %'],
  ['%d %{seconds}d %{MILLI}d %{miliseconds}d %{micro}d', {}, '0.012 0.012 12.346 12.346 12345'],
  ['%C %{user}C %{System}C %{total}C', {}, '64.80 48.60 16.20 64.80'],
  ['%M %{kilo}M %{megabytes}M', {}, '3500000 3417 3'],
  ['%m|%r|%Q%q|%f|%l|%R|%u', {}, '-|||-|0|-|'],
  ['%{A}e|%{B}e|%{C}o', { 'PARAM A': '', 'PARAM B': 'b' }, '|b|-'],
  ['%{C}e|%{C}o', { 'PARAM C': 'param', 'HEADER C': 'header' }, 'param|header'],
  ['%u', { 'PARAM HTTP_AUTHORIZATION': `Basic ${btoa(`${'u'.repeat(40)}:p`)}` }, 'u'.repeat(31)],
  ['%u', { 'PARAM HTTP_AUTHORIZATION': 'Bearer secret' }, ''],
  ['%l', { 'PARAM CONTENT_LENGTH': ' 12x' }, '12'],
  ['%l', { 'PARAM CONTENT_LENGTH': '-3' }, '0'],
  ['%R', { PEER: '\x7f\0\0\x01' }, '127.0.0.1'],
  ['%r %{X}e', { URI: `/${'u'.repeat(200)}`, 'PARAM X': 'x' }, `/${'u'.repeat(126)} x`],
  ['%q', { 'PARAM QUERY_STRING': 'q'.repeat(600) }, 'q'.repeat(511)],
  ['%f', { SCRIPT: `/${'s'.repeat(300)}` }, `/${'s'.repeat(254)}`],
  ['a%', {}, 'a'],
  ['ü %{X}e', { 'PARAM X': '\xc3\xbc' }, '\xc3\xbc \xc3\xbc'],
  ['\t%{X}e', { 'PARAM X': '\t\x7f"\\' }, '\t\\x09\\x7f"\\'],
];

for (const [format, texts, expected] of CASES)
  test(`'${format}' of ${JSON.stringify(texts).slice(0, 60)}`, () =>
    assert.equal(line(format, texts), `${expected}\n`));

test('two uses of one text each have their own length', () => {
  const texts = { 'PARAM QUERY_STRING': 'q'.repeat(900) };
  assert.equal(line('%q|', texts), `${'q'.repeat(511)}|\n`);
  assert.equal(line('%Q%q %{QUERY_STRING}e', texts)?.length, 1024);
  assert.ok(line('%q|%{QUERY_STRING}e', texts)?.startsWith(`${'q'.repeat(511)}|q`));
});

test('of lines that are too long 1023 bytes stay', () => {
  const text = line('%{X}e%{X}e', { 'PARAM X': 'x'.repeat(700) });
  assert.equal(text?.length, 1024);
});

const QUIET: Texts = { 'PARAM REQUEST_METHOD': 'GET', URI: '/ping' };
const SUPPRESSED: readonly [what: string, texts: Texts, status: number, isLeftOut: boolean][] = [
  ['GET', QUIET, 200, true],
  ['HEAD', { ...QUIET, 'PARAM REQUEST_METHOD': 'HEAD' }, 204, true],
  ['length 0', { ...QUIET, 'PARAM CONTENT_LENGTH': '0' }, 299, true],
  ['POST', { ...QUIET, 'PARAM REQUEST_METHOD': 'POST' }, 200, false],
  ['get', { ...QUIET, 'PARAM REQUEST_METHOD': 'get' }, 200, false],
  ['a query', { ...QUIET, 'PARAM QUERY_STRING': 'a' }, 200, false],
  ['a body', { ...QUIET, 'PARAM CONTENT_LENGTH': '1' }, 200, false],
  ['a redirect', QUIET, 302, false],
  ['another path', { ...QUIET, URI: '/ping/' }, 200, false],
  ['no path', { 'PARAM REQUEST_METHOD': 'GET' }, 200, false],
];

for (const [what, texts, status, isLeftOut] of SUPPRESSED)
  test(`access.suppress_path: ${what} is ${isLeftOut ? 'left out' : 'logged'}`, () =>
    assert.equal(line('%s', texts, ['/other', '/ping'], status) === undefined, isLeftOut));

test('any good format makes one line of any texts', () => {
  const token = fc.constantFrom(...'%CdflmMnpPqQrRstTu', '{X}e', '{Y}o', '{%c}t').map((text) => `%${text}`);
  const format = fc
    .array(
      fc.oneof(
        token,
        fc.string().filter((text) => !/[%\n]/.test(text)),
      ),
    )
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(format, fc.uint8Array({ maxLength: 300 }), (text, bytes) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the configuration may hold some itself
      if (text === 'json' || accessFormatMistake(text) !== undefined || /[\0-\x1f\x7f]/.test(text)) return;
      const value = Buffer.from(bytes).toString('latin1');
      const names = [
        'PARAM REQUEST_METHOD',
        'PARAM QUERY_STRING',
        'PARAM X',
        'HEADER Y',
        'URI',
        'SCRIPT',
        'PARAM CONTENT_LENGTH',
      ];
      const out = line(text, Object.fromEntries(names.map((name) => [name, value])));
      assert.match(out ?? '', /^[^\n]{0,1023}\n$/);
    }),
  );
});

test('json is JSON of any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const value = Buffer.from(bytes).toString('latin1');
      const out =
        line('json', { URI: value, 'PARAM HTTP_HOST': value, 'PARAM HTTP_USER_AGENT': value }) ?? '';
      const parsed = JSON.parse(Buffer.from(out, 'utf8').toString()) as Record<string, unknown>;
      const expected = bytes.length === 0 ? null : Buffer.from(bytes).toString('utf8');
      assert.deepEqual(
        [parsed.uri, parsed.host, parsed.status, parsed.duration_ms],
        [expected, expected, 200, 12.346],
      );
      assert.equal(out.indexOf('\n'), out.length - 1);
    }),
  );
});

test('addresses are written as the kernel’s own functions do', () => {
  const bytes = (...groups: number[]) =>
    Buffer.from(groups.flatMap((group) => [group >> 8, group & 255])).toString('latin1');
  assert.equal(peerText(bytes(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)), '2001:db8::1:0:0:1');
  assert.equal(peerText(bytes(0, 0, 0, 0, 0, 0, 0, 1)), '::1');
  assert.equal(peerText(bytes(0, 0, 0, 0, 0, 0, 0, 0)), '::');
  assert.equal(peerText(bytes(1, 0, 2, 3, 4, 5, 6, 7)), '1:0:2:3:4:5:6:7');
  assert.equal(peerText(bytes(0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x0001)), '10.0.0.1');
  assert.equal(peerText('abc'), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (address) => {
      const text = peerText(Buffer.from(address).toString('latin1')) ?? '';
      assert.ok(isIPv6(text) || /^[0-9.]+$/.test(text), text);
    }),
  );
});

test('a record of any bytes is read within its bounds', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 56, maxLength: 400 }), fc.nat(12), (content, textCount) => {
      const size = Math.floor(content.length / 8) * 8;
      const bytes = Buffer.from(new Uint8Array(content).buffer.slice(0, size));
      const whole = {
        bytes,
        words: new Uint32Array(new Uint8Array(bytes).buffer),
        text: bytes.toString('latin1'),
      };
      const record = readRecord(whole, { start: 0, end: size, textCount }, { pid: 1, parentPid: 2 });
      assert.equal(record.texts.length, textCount);
      const kept = record.texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
      assert.ok(kept <= size - 56);
    }),
  );
});

test('kinds of fields are numbered once', () => {
  assert.equal(new Set(Object.values(LOG_FIELD_KINDS)).size, Object.keys(LOG_FIELD_KINDS).length);
});
