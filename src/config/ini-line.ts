import { IniSyntaxError, LineCursor } from './ini-cursor.js';
import { type IniLookups, parseBracketed, parseValue } from './ini-value.js';

/** One statement; a line has several if a carriage return or a section comes before another one. */
export type IniStatement =
  | { readonly kind: 'section'; readonly name: string }
  | {
      readonly kind: 'entry';
      readonly name: string;
      /** What stands between the brackets of `name[key]`; `''` for `name[]`; absent for a scalar. */
      readonly key?: string;
      /** Absent where the line has no `=`. */
      readonly value?: string;
    }
  | { readonly kind: 'syntax'; readonly message: string };

/** Everything a name may be made of; spaces too, tabs not. */
const LABEL = /[^=\r\t;&|^$~(){}!"[]+/y;
const KEYWORD = /^(?:true|on|yes|false|off|no|none|null)[ \t]*$/i;
const BLANKS = /[ \t]+/y;
const EQUALS = /[ \t]*=[ \t]*/y;

/**
 * Parses one physical line. A section may be followed by an entry, and a carriage return ends a
 * statement without ending the line, so one line may hold several statements.
 *
 * @returns the statements up to the first syntax error, which is then the last item
 */
export function parseLine(line: string, lookups: IniLookups): IniStatement[] {
  const cursor = new LineCursor(line);
  const statements: IniStatement[] = [];
  try {
    while (!cursor.ended) {
      const statement = parseStatement(cursor, lookups);
      if (statement !== undefined) statements.push(statement);
    }
  } catch (error) {
    if (!(error instanceof IniSyntaxError)) throw error;
    statements.push({ kind: 'syntax', message: error.message });
  }
  return statements;
}

/** @returns `undefined` where the cursor only passed white space, a comment or an end of line */
function parseStatement(cursor: LineCursor, lookups: IniLookups): IniStatement | undefined {
  if (cursor.skipEndOfStatement()) return undefined;
  if (cursor.take('[')) {
    const name = parseBracketed(cursor, { variable: lookups.variable });
    cursor.skipBlanks();
    return { kind: 'section', name };
  }
  const label = cursor.peek(LABEL);
  const blanks = cursor.peek(BLANKS);
  // The longer match wins, and a name of blanks before `[` is still a name: `  [x]` is no section.
  if (blanks.length > label.length || (blanks !== '' && blanks === label && !cursor.follows(label, '['))) {
    cursor.advance(blanks.length);
    return cursor.ended || cursor.startsWith('=') ? failUnlessEnded(cursor) : undefined;
  }
  if (label === '') throw cursor.unexpected();
  return parseEntry(cursor, label, lookups);
}

function failUnlessEnded(cursor: LineCursor): undefined {
  if (!cursor.ended) throw cursor.unexpected();
  return undefined;
}

function parseEntry(cursor: LineCursor, label: string, lookups: IniLookups): IniStatement {
  if (KEYWORD.test(label) && !cursor.follows(label, '[')) {
    throw new IniSyntaxError(`unexpected '${label.trim()}'`);
  }
  cursor.advance(label.length);
  const name = trimBlanks(label);
  if (cursor.take('[')) {
    cursor.skipBlanks();
    const key = parseBracketed(cursor, lookups);
    if (cursor.takeMatch(EQUALS) === '') throw cursor.unexpected("'='");
    return { kind: 'entry', name, key, value: parseValue(cursor, lookups) };
  }
  if (cursor.takeMatch(EQUALS) === '') {
    return { kind: 'entry', name };
  }
  return { kind: 'entry', name, value: parseValue(cursor, lookups) };
}

/** Without a regular expression, which would take quadratic time for many blanks within. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charAt(start))) start += 1;
  while (end > start && isBlank(text.charAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t';
}
