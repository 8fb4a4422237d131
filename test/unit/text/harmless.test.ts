import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  cellText,
  escapedBytes,
  escapedControls,
  escapedLine,
  jsonRequest,
  jsonWord,
  lineText,
  markupText,
  metricText,
  terminalText,
} from '../../../src/text/harmless.js';

const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));

// Rows marked so were put to php-fpm 8.2.36, as URI, and are its answer.
test('markup is escaped as php-fpm does', () => {
  const rows: [string, string][] = [
    ['"\'<>&\\/', "&quot;'&lt;&gt;&amp;\\/"],
    ['&amp;&#39;', '&amp;amp;&amp;#39;'],
    ['\u0001\b\t\n\u000b\f\r\u001f\u007f', '\ufffd\ufffd\t\n\ufffd\ufffd\r\ufffd\u007f'],
    ['é€\u0080\u2028😀\ufdd0', 'é€\u0080\u2028😀\ufdd0'],
    ['\ufffe|\uffff', '\ufffd|\ufffd'],
  ];
  for (const [sent, shown] of rows) assert.equal(markupText(Buffer.from(sent)), shown);
});

test('json is escaped as php-fpm does', () => {
  const rows: [Buffer, string][] = [
    [Buffer.from('/"\'<>&\\'), '"\\/\\"\'<>&\\\\"'],
    [Buffer.from('\u0001\b\t\n\u000b\f\r\u007f'), '"\\u0001\\b\\t\\n\\u000b\\f\\r\u007f"'],
    [Buffer.from('é€\u2028😀\ufffe'), '"\\u00e9\\u20ac\\u2028\\ud83d\\ude00\\ufffe"'],
    [Buffer.of(0x61, 0xff, 0x62), '"ab"'],
    [Buffer.of(0x61, 0xc3), '"a"'],
    [Buffer.of(0xe2, 0x28, 0xa1, 0x78, 0xf0, 0x9f, 0x92, 0x79, 0x80, 0x7a), '"(xyz"'],
    [Buffer.from([...Buffer.from('\ufffd'), 0xef, 0xbf, ...Buffer.from('\ufffd')]), '"\\ufffd\\ufffd"'],
  ];
  for (const [sent, shown] of rows) assert.equal(jsonRequest(sent), shown);
});

test('bytes that are no UTF-8 show as such in markup', () => {
  assert.equal(markupText(Buffer.of(0x61, 0xff, 0x62)), 'a\ufffdb');
});

test('any bytes stay one line of text without control characters', () => {
  fc.assert(fc.property(bytes, (sent) => !/[\p{Cc}\u2028\u2029]/u.test(lineText(sent))));
  assert.equal(lineText('/a b?é€😀'), '/a b?é€😀');
});

test('any bytes make a json string of printable ASCII', () => {
  fc.assert(
    fc.property(bytes, (sent) => {
      const json = jsonRequest(sent);
      assert.match(json, /^"[\x20-\x7f]*"$/);
      assert.equal(typeof JSON.parse(json), 'string');
    }),
  );
});

test('any string makes a json word and a label that read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(JSON.parse(jsonWord(text)), Buffer.from(text).toString());
      assert.match(metricText(text), /^(?:[^\n"\\]|\\["\\])*$/);
    }),
  );
  assert.equal(jsonWord('é/x\ud800'), '"é/x\ufffd"');
});

test('each place has its own rule for the same text', () => {
  const text = 'é\t\n\u001b[2J\u007f\u0085\u202e\u2028';
  assert.equal(lineText(text), 'é\ufffd\ufffd\ufffd[2J\ufffd\ufffd\u202e\ufffd');
  assert.equal(escapedControls(text), 'é\\x09\\x0a\\x1b[2J\\x7f\u0085\u202e\u2028');
  assert.equal(escapedLine(text), 'é\t\\x0a\\x1b[2J\\x7f\\x85\u202e\u2028');
  assert.equal(escapedBytes(Buffer.from(text)), 'é\\x09\\x0a\\x1b[2J\\x7f\\xc2\\x85\u202e\\xe2\\x80\\xa8');
  assert.equal(terminalText(text), 'é???[2J????');
  assert.equal(cellText(text), 'é???[2J????');
});

test('a UTF-8 letter in Latin-1 passes the access log, and bytes that are no UTF-8 are escaped in a backtrace', () => {
  const latin1 = Buffer.from('À').toString('latin1');
  assert.equal(latin1, '\u00c3\u0080');
  assert.equal(escapedControls(latin1), latin1);
  assert.equal(escapedBytes(Buffer.of(0x61, 0xff, 0x0a)), 'a\\xff\\x0a');
});
