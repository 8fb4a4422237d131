import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMasterLog, type MasterLogOptions } from '../../../src/log/master-log.js';
import { WorkerOutput } from '../../../src/zygote/worker-output.js';

const MARK = '\0fscf\0';
const PREFIX = 'WARNING: [pool www] child 7 said into';

interface Written {
  readonly output: WorkerOutput;
  /** What the log holds, Latin-1, without its times. */
  text(): string;
}

function open(changes: Partial<MasterLogOptions> = {}, isDecorated = true): Written {
  const chunks: Uint8Array[] = [];
  const log = createMasterLog({
    level: 'notice',
    format: 'fpm',
    limit: 1024,
    sink: { write: ({ line }) => void chunks.push(Buffer.from(line)), close() {} },
    ...changes,
  });
  return {
    output: new WorkerOutput(log, { pool: 'www', pid: 7, isDecorated }),
    text: () =>
      Buffer.concat(chunks)
        .toString('latin1')
        .replace(/^\[[^\]]{20}\] /gm, ''),
  };
}

type Event = readonly ['stdout' | 'stderr' | 'end' | 'close', string?];

function play({ output }: Written, events: readonly Event[]): void {
  for (const [what, text = ''] of events) {
    if (what === 'end') output.push('stderr', Buffer.from(MARK, 'latin1'));
    else if (what === 'close') output.close();
    else output.push(what, Buffer.from(text, 'latin1'));
  }
}

const CASES: readonly [what: string, events: readonly Event[], lines: readonly string[]][] = [
  ['a line', [['stderr', 'a\n']], ['stderr: "a"']],
  ['empty lines', [['stderr', '\n\na\n\n']], ['stderr: "a"']],
  [
    'a partial line that goes on',
    [['stdout', 'a'], ['stdout', 'b\nc'], ['close']],
    ['stdout: "ab"', 'stdout: "c", pipe is closed'],
  ],
  [
    'a switch between streams',
    [
      ['stdout', 'a'],
      ['stderr', 'b'],
      ['stdout', 'c\n'],
    ],
    ['stdout: "a"', 'stderr: "b"', 'stdout: "c"'],
  ],
  ['the end of a request', [['stderr', 'a'], ['end'], ['stderr', 'b\n']], ['stderr: "a"', 'stderr: "b"']],
  ['ends with nothing to end', [['end'], ['end'], ['close']], []],
  [
    'a mark in the middle',
    [['stderr', `a${MARK}b${MARK}c\n`]],
    ['stderr: "a"', 'stderr: "b"', 'stderr: "c"'],
  ],
  [
    'what looks like a mark',
    [
      ['stderr', '\0fs'],
      ['stderr', 'x\0\0fscf'],
      ['stderr', '\n'],
    ],
    ['stderr: "\0fsx\0\0fscf"'],
  ],
  ['half of a mark at the end', [['stderr', 'a\0fsc'], ['close']], ['stderr: "a\0fsc", pipe is closed']],
  ['any bytes', [['stderr', '"\\\t\x01\x80\xff\n']], ['stderr: ""\\\t\x01\x80\xff"']],
];

for (const buffersOutput of [true, false])
  for (const [what, events, lines] of CASES)
    test(`${what}, log_buffering = ${buffersOutput ? 'yes' : 'no'}`, () => {
      const written = open({ buffersOutput });
      play(written, [...events, ['close']]);
      assert.equal(written.text(), lines.map((line) => `${PREFIX} ${line}\n`).join(''));
    });

test('a mark cut at any byte is one all the same', () => {
  const whole = Buffer.from(`a${MARK}b\n`, 'latin1');
  for (let at = 0; at <= whole.length; at++) {
    const written = open();
    written.output.push('stderr', whole.subarray(0, at));
    written.output.push('stderr', whole.subarray(at));
    assert.equal(written.text(), `${PREFIX} stderr: "a"\n${PREFIX} stderr: "b"\n`, `cut at ${at}`);
  }
});

test('without buffering a text is in the log before its line ends', () => {
  const written = open({ buffersOutput: false });
  written.output.push('stderr', Buffer.from('so far'));
  assert.equal(written.text(), `${PREFIX} stderr: "so far`);
  assert.ok(written.output.isMidLine);
  written.output.endLine();
  assert.equal(written.text(), `${PREFIX} stderr: "so far"\n`);
  assert.ok(!written.output.isMidLine);
});

test('however it is cut, text comes out whole, in lines shorter than log_limit, the same with and without buffering', () => {
  const piece = fc
    .uint8Array({ maxLength: 1500 })
    .map((bytes) => bytes.map((byte) => (byte === 0 ? 1 : byte)));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.boolean(), (pieces, isDecorated) => {
      const texts = [true, false].map((buffersOutput) => {
        const written = open({ buffersOutput, limit: 512 }, isDecorated);
        for (const bytes of pieces) written.output.push('stderr', Buffer.from(bytes));
        written.output.endLine();
        return written.text();
      });
      assert.equal(texts[0], texts[1]);
      const lines = (texts[0] ?? '').split('\n').slice(0, -1);
      const start = `${PREFIX} stderr: "`;
      const said = isDecorated ? lines.map((line) => line.slice(start.length, -1)) : lines;
      const whole = Buffer.concat(pieces).toString('latin1').replaceAll('\n', '');
      assert.equal(said.join(''), whole);
      for (const line of lines) assert.ok(line.length <= 511);
    }),
    { numRuns: 60 },
  );
});

test('ten megabytes without a newline are never held', () => {
  const { output, text } = open({}, false);
  const piece = Buffer.alloc(1 << 16, 'x');
  for (let i = 0; i < 160; i++) output.push('stdout', piece);
  output.close();
  const lines = text().split('\n').slice(0, -1);
  assert.equal(
    lines.reduce((sum, line) => sum + line.length, 0),
    160 << 16,
  );
  assert.ok(lines.slice(0, -1).every((line) => line.length === 1023));
});
