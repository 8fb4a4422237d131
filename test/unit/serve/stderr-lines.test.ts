import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StderrLines } from '../../../src/serve/stderr-lines.js';

function linesOf(...chunks: (string | Uint8Array)[]): string[] {
  const lines: string[] = [];
  const stderr = new StderrLines((line) => lines.push(line));
  for (const chunk of chunks) stderr.push(Buffer.from(chunk));
  stderr.end();
  return lines;
}

describe('lines of the error stream', () => {
  it('joins what was cut, within a character too', () => {
    const bytes = Buffer.from('ünö\r\n\nzwei\n  drei');
    for (let cut = 0; cut <= bytes.length; cut += 1)
      assert.deepEqual(linesOf(bytes.subarray(0, cut), bytes.subarray(cut)), ['ünö', 'zwei', '  drei']);
  });

  it('makes control characters visible, but for the tab', () => {
    assert.deepEqual(linesOf('a\tb\x1b[2J\0\x7f\x9b\n'), ['a\tb\\x1b[2J\\x00\\x7f\\x9b']);
  });

  it('passes long lines on in parts, ended or not', () => {
    const long = 'x'.repeat(20_000);
    const parts = [8192, 8192, 3616];
    assert.deepEqual(
      linesOf(`${long}\n`).map((line) => line.length),
      parts,
    );
    assert.deepEqual(
      linesOf(long).map((line) => line.length),
      parts,
    );
    assert.equal(linesOf(...new Array(100).fill(long)).join('').length, 2_000_000);
  });

  it('accepts bytes that are no text', () => {
    assert.deepEqual(linesOf(Uint8Array.of(255, 10, 0xc3)), ['\ufffd', '\ufffd']);
  });
});
