import { isUtf8 } from 'node:buffer';
import type { Problem } from './problem.js';

/**
 * The text of a file. php-fpm reads bytes. Here a file is UTF-8; a line that is no UTF-8 is read as Latin-1, with a
 * warning unless it is a comment.
 */
export function decodeFile(file: string, bytes: Uint8Array): { text: string; warnings: Problem[] } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) {
    return { text: buffer.toString('utf8'), warnings: [] };
  }
  const warnings: Problem[] = [];
  const lines = splitLines(buffer).map((line, index) => {
    if (isUtf8(line)) return line.toString('utf8');
    const text = line.toString('latin1');
    if (!/^[ \t]*;/.test(text)) {
      warnings.push({
        level: 'warning',
        message: `[${file}:${index + 1}] the line is not UTF-8, read as Latin-1`,
      });
    }
    return text;
  });
  return { text: lines.join('\n'), warnings };
}

const NEWLINE = 10;

function splitLines(buffer: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = buffer.indexOf(NEWLINE); end !== -1; end = buffer.indexOf(NEWLINE, start)) {
    lines.push(buffer.subarray(start, end));
    start = end + 1;
  }
  lines.push(buffer.subarray(start));
  return lines;
}
