import { type IniStatement, parseLine } from './ini-line.js';
import type { IniLookups } from './ini-value.js';
import { decodePlainLine } from './plain-line.js';

/** A statement and the physical line it stands on, counted from 1. */
export type IniItem = IniStatement & { readonly line: number };

/**
 * Reads php-fpm's INI dialect: each physical line is parsed on its own, so that a quote left open
 * spoils one line only. Never throws: what cannot be parsed is an item of kind `syntax`.
 *
 * @see docs/architecture.md#php-fpms-rules-that-are-kept
 */
export function* readIni(text: string, lookups: IniLookups): Generator<IniItem> {
  for (const [index, line] of withoutByteOrderMark(text).split('\n').entries())
    for (const statement of readLine(line, lookups)) yield { ...statement, line: index + 1 };
}

function readLine(line: string, lookups: IniLookups): IniStatement[] {
  const visible = beforeNul(line);
  const plain = decodePlainLine(visible);
  return plain === undefined ? parseLine(visible, lookups) : [{ kind: 'entry', ...plain }];
}

function withoutByteOrderMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}

/** The line up to its first NUL byte: PHP's scanner works on C strings and does not see the rest. */
function beforeNul(line: string): string {
  const end = line.indexOf('\0');
  return end === -1 ? line : line.slice(0, end);
}
