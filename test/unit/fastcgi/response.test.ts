import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.js';
import { ResponseParser } from '../../../src/fastcgi/response.js';

function parse(chunks: readonly Buffer[], maxHeaderBytes = 65_536) {
  const parser = new ResponseParser({ maxHeaderBytes });
  const body = Buffer.concat(chunks.map((chunk) => parser.push(chunk)));
  return { ...parser.end(), body: body.toString('latin1') };
}

const parseText = (text: string) => parse([Buffer.from(text, 'latin1')]);

describe('CGI response parser', () => {
  const cases: [promise: string, sent: string, expected: ReturnType<typeof parseText>][] = [
    [
      'takes 200 where no status is sent',
      'Content-type: text/html; charset=UTF-8\r\n\r\nhello',
      {
        status: 200,
        reason: undefined,
        headers: [['Content-type', 'text/html; charset=UTF-8']],
        body: 'hello',
      },
    ],
    [
      'takes status and reason from Status, wherever it stands',
      'X-A: 1\r\nStatus: 404 Not Found\r\nX-B:2\r\n\r\n',
      {
        status: 404,
        reason: 'Not Found',
        headers: [
          ['X-A', '1'],
          ['X-B', '2'],
        ],
        body: '',
      },
    ],
    [
      'takes a status without reason',
      'status: 204\r\n\r\n',
      { status: 204, reason: undefined, headers: [], body: '' },
    ],
    [
      'takes the status line of cgi.rfc2616_headers',
      'HTTP/1.1 418 I am a teapot\r\nA: b\r\n\r\n',
      { status: 418, reason: 'I am a teapot', headers: [['A', 'b']], body: '' },
    ],
    [
      'takes a Location alone for a redirect',
      'Location: /elsewhere\r\n\r\n',
      { status: 302, reason: undefined, headers: [['Location', '/elsewhere']], body: '' },
    ],
    [
      'keeps an explicit status beside a Location',
      'Status: 201 Created\r\nLocation: /new\r\n\r\n',
      { status: 201, reason: 'Created', headers: [['Location', '/new']], body: '' },
    ],
    [
      'keeps repeated headers apart and in order',
      'Set-Cookie: a=1\r\nX: y\r\nSet-Cookie: b=2\r\n\r\n',
      {
        status: 200,
        reason: undefined,
        headers: [
          ['Set-Cookie', 'a=1'],
          ['X', 'y'],
          ['Set-Cookie', 'b=2'],
        ],
        body: '',
      },
    ],
    [
      'accepts bare line feeds, and a body that begins with one',
      'A: b\nC: d\n\n\nrest',
      {
        status: 200,
        reason: undefined,
        headers: [
          ['A', 'b'],
          ['C', 'd'],
        ],
        body: '\nrest',
      },
    ],
    [
      'accepts a header block without headers',
      '\r\nbody: 1\r\n\r\n',
      { status: 200, reason: undefined, headers: [], body: 'body: 1\r\n\r\n' },
    ],
    [
      'trims blanks around a value and keeps bytes above 127',
      'A:\t b\xe4 c \t\r\nB:\r\n\r\n',
      {
        status: 200,
        reason: undefined,
        headers: [
          ['A', 'b\xe4 c'],
          ['B', ''],
        ],
        body: '',
      },
    ],
  ];
  for (const [promise, sent, expected] of cases) {
    it(`${promise}, wherever it is cut`, () => {
      const bytes = Buffer.from(sent, 'latin1');
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        assert.deepEqual(parse([bytes.subarray(0, cut), bytes.subarray(cut)]), expected, `cut at ${cut}`);
      }
      assert.deepEqual(parse(Array.from(bytes, (byte) => Buffer.from([byte]))), expected);
    });
  }

  const refusals: [promise: string, sent: string, message: RegExp][] = [
    ['a line without colon', 'hello world\r\n\r\n', /^not a response header: "hello world"$/],
    ['an empty name', ': x\r\n\r\n', /^not a response header/],
    ['a blank before the colon', 'A : x\r\n\r\n', /^not a response header/],
    ['a folded line', 'A: x\r\n y: z\r\n\r\n', /^not a response header/],
    ['a control character', 'A: x\0y\r\n\r\n', /^not a response header/],
    ['a bare carriage return', 'A: x\rB: y\r\n\r\n', /^not a response header/],
    ['a status that is no number', 'Status: fine\r\n\r\n', /^not a response status: "fine"$/],
    ['a status of four digits', 'Status: 2000\r\n\r\n', /^not a response status/],
    ['a status below 100', 'Status: 099\r\n\r\n', /^not a response status/],
    ['a status line without status', 'HTTP/1.1 OK\r\n\r\n', /^not a response status/],
    ['an answer that is empty', '', /^the response is empty$/],
    ['an answer that ends in its header', 'A: b\r\n', /^the response ended inside its header$/],
  ];
  for (const [promise, sent, message] of refusals) {
    it(`refuses ${promise}`, () => {
      assert.throws(
        () => parseText(sent),
        (err) => err instanceof ProtocolError && message.test(err.message),
      );
    });
  }

  it('accepts a header block of the largest size and refuses one byte more, however it comes', () => {
    const block = Buffer.from(`A: ${'x'.repeat(93)}\r\n\r\nbody`);
    assert.equal(parse([block], 100).body, 'body');
    for (const size of [1, 7, 1000]) {
      const chunks: Buffer[] = [];
      for (let at = 0; at < block.length; at += size) chunks.push(block.subarray(at, at + size));
      assert.equal(parse(chunks, 100).body, 'body');
      assert.throws(() => parse(chunks, 99), /the response header is larger than 99 bytes/);
    }
  });

  it('reads 64 KiB of blanks or line by line in no time', () => {
    const started = process.hrtime.bigint();
    assert.equal(parseText(`A: x${' '.repeat(65_000)}y\r\n\r\n`).headers[0]?.[1].length, 65_002);
    assert.throws(() => parseText(`Status: 200${' '.repeat(65_000)}\ry\r\n\r\n`), ProtocolError);
    const drip = Buffer.from(`A: ${'x'.repeat(65_000)}\r\n\r\n`);
    parse(Array.from(drip, (_, at) => drip.subarray(at, at + 1)));
    assert.ok(process.hrtime.bigint() - started < 2_000_000_000n);
  });

  it('answers hostile bytes with a head or a ProtocolError', () => {
    const piece = fc.oneof(
      fc.constantFrom('\r\n', '\n', ': ', 'Status', 'HTTP/1.1 ', '200', '\r\n\r\n', 'A', ' '),
      fc.string({ unit: 'binary', maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 6 }), { maxLength: 6 }), (chunks) => {
        try {
          parse(
            chunks.map((parts) => Buffer.from(parts.join(''))),
            64,
          );
        } catch (err) {
          assert.ok(err instanceof ProtocolError, String(err));
        }
      }),
      { numRuns: 500 },
    );
  });
});
