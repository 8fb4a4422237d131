import { IniSyntaxError, type LineCursor } from './ini-cursor.js';
import { toInteger } from './integer.js';

/** How the reader looks up variables and constants in a value. */
export interface IniLookups {
  /** `${NAME}`: the setting of php.ini first, then the environment; `undefined` reads as the empty string. */
  readonly variable: (name: string) => string | undefined;
  /** A bare word that PHP knows as a constant; `undefined` leaves the word as it stands. */
  readonly constant: (name: string) => string | undefined;
}

const TRUE_WORD = /^(?:true|on|yes)$/i;
const FALSE_WORD = /^(?:false|off|no|none|null)$/i;
const CONSTANT = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * An unquoted run. A `$` that opens no `${}` takes the next character with it, whatever it is, as in
 * PHP; but not the end of the line, which PHP would make a part of the value.
 */
const WORD = /(?:[^$= \t\r;&|^~()!"']|\$(?:\\(?:[^\r]|(?=\r|$))|[^{\r]|(?=\r|$)))+/y;
const BRACKETED_WORD = /(?:[^$\r;"'\]\\]|\\[^\r]|\$(?:[^{\r]|(?=\r|$)))+/y;
const BLANKS = /[ \t]+/y;
const OPENING_QUOTE = /[ \t]*"/y;
const VARIABLE_NAME = /[^=\r\t;&|^$~(){}!"[]+/y;
const BINARY_OPERATOR = /[ \t]*[|&^][ \t]*/y;

/** php-fpm's own parser has a limit of depth as well; here it keeps a hostile file from exhausting the stack. */
const MAX_DEPTH = 200;

/**
 * Reads the value after `=`, and moves the cursor behind the end of the statement.
 *
 * @throws IniSyntaxError
 */
export function parseValue(cursor: LineCursor, lookups: IniLookups): string {
  if (cursor.skipEndOfStatement() || takeEmptyRaw(cursor)) return '';
  const value = takeKeyword(cursor) ?? parseExpression(cursor, lookups, 0);
  if (cursor.skipEndOfStatement() || takeEmptyRaw(cursor)) return value;
  if (cursor.startsWith("'") && !isClosedRaw(cursor)) {
    // After a value, PHP takes an opening quote that is never closed for the end of the text.
    cursor.advance(cursor.text.length - cursor.position);
    return value;
  }
  throw cursor.unexpected();
}

/**
 * Reads what stands between `[` and `]`, and moves the cursor behind the `]`.
 *
 * @param lookups without `constant` for the name of a section, where constants are plain words
 * @throws IniSyntaxError
 */
export function parseBracketed(
  cursor: LineCursor,
  lookups: Pick<IniLookups, 'variable'> & Partial<IniLookups>,
): string {
  let text = '';
  while (!cursor.take(']')) {
    const piece = takeQuoted(cursor, lookups) ?? takeVariable(cursor, lookups) ?? takeRaw(cursor);
    if (piece !== undefined) {
      text += piece;
      continue;
    }
    const word = cursor.takeMatch(BRACKETED_WORD);
    if (word === '') throw new IniSyntaxError("unexpected end of line, expecting ']'");
    text += CONSTANT.test(word) ? (lookups.constant?.(word) ?? word) : word;
  }
  return text;
}

/**
 * Passes the first of two single quotes, which ends the statement for PHP's scanner; the second begins the next name.
 * So `a = ''` is an empty `a` and a name without a value, and php-fpm refuses the line.
 */
function takeEmptyRaw(cursor: LineCursor): boolean {
  if (!cursor.startsWith("''")) return false;
  cursor.advance(1);
  return true;
}

/** Operators have no precedence among themselves: `1|4&2` is `(1|4)&2`. */
function parseExpression(cursor: LineCursor, lookups: IniLookups, depth: number): string {
  let value = parseOperand(cursor, lookups, depth);
  for (;;) {
    const operator = cursor.takeMatch(BINARY_OPERATOR).trim();
    if (operator === '') return value;
    value = compute(value, operator, parseOperand(cursor, lookups, depth));
  }
}

function parseOperand(cursor: LineCursor, lookups: IniLookups, depth: number): string {
  if (depth > MAX_DEPTH) throw new IniSyntaxError('too many nested operators');
  if (cursor.take('~')) {
    cursor.skipBlanks();
    return String(~toInteger(parseOperand(cursor, lookups, depth + 1)));
  }
  if (cursor.take('!')) {
    cursor.skipBlanks();
    return toInteger(parseOperand(cursor, lookups, depth + 1)) === 0 ? '1' : '0';
  }
  if (cursor.take('(')) {
    cursor.skipBlanks();
    const inner = parseExpression(cursor, lookups, depth + 1);
    if (!cursor.take(')')) throw cursor.unexpected("')'");
    cursor.skipBlanks();
    return inner;
  }
  return parsePieces(cursor, lookups);
}

/** Quoted, raw, bare and `${}` pieces that stand side by side are one string. */
function parsePieces(cursor: LineCursor, lookups: IniLookups): string {
  let text: string | undefined;
  while (!cursor.atEndOfStatement()) {
    const piece =
      takeQuoted(cursor, lookups) ??
      takeVariable(cursor, lookups) ??
      takeRawOrStop(cursor) ??
      takeWord(cursor, lookups);
    if (piece === undefined) break;
    text = (text ?? '') + piece;
  }
  if (text === undefined) throw cursor.unexpected();
  return text;
}

function takeWord(cursor: LineCursor, lookups: IniLookups): string | undefined {
  const blanks = cursor.takeMatch(BLANKS);
  if (blanks !== '') return blanks;
  const word = cursor.peek(WORD);
  if (word === '') return undefined;
  if (TRUE_WORD.test(word) || FALSE_WORD.test(word)) throw cursor.unexpected();
  cursor.advance(word.length);
  return CONSTANT.test(word) ? (lookups.constant(word) ?? word) : word;
}

/** A keyword counts only as the whole value; the caller refuses whatever follows it. */
function takeKeyword(cursor: LineCursor): '1' | '' | undefined {
  const word = cursor.peek(WORD);
  const value = TRUE_WORD.test(word) ? '1' : FALSE_WORD.test(word) ? '' : undefined;
  if (value !== undefined) {
    cursor.advance(word.length);
    cursor.skipBlanks();
  }
  return value;
}

/** Blanks around a double-quoted string are dropped. */
function takeQuoted(cursor: LineCursor, lookups: Pick<IniLookups, 'variable'>): string | undefined {
  if (cursor.takeMatch(OPENING_QUOTE) === '') return undefined;
  let text = '';
  while (!cursor.startsWith('"')) {
    if (cursor.ended) throw new IniSyntaxError(`unexpected end of line, expecting '"'`);
    const variable = takeVariable(cursor, lookups);
    text += variable ?? takeQuotedCharacter(cursor);
  }
  cursor.advance(1);
  cursor.skipBlanks();
  return text;
}

/** `\"`, `\\` and `\$` lose their backslash; before the end of the line `\"` is a backslash and the closing quote. */
function takeQuotedCharacter(cursor: LineCursor): string {
  const escaped = cursor.startsWith('\\') ? cursor.text.charAt(cursor.position + 1) : '';
  if (escaped === '\\' || escaped === '$' || (escaped === '"' && !endsLine(cursor, cursor.position + 2))) {
    cursor.advance(2);
    return escaped;
  }
  cursor.advance(1);
  return cursor.text.charAt(cursor.position - 1);
}

function endsLine(cursor: LineCursor, position: number): boolean {
  return position >= cursor.text.length || cursor.text.charAt(position) === '\r';
}

function isClosedRaw(cursor: LineCursor): boolean {
  return cursor.text.indexOf("'", cursor.position + 1) > cursor.position + 1;
}

function takeRaw(cursor: LineCursor): string | undefined {
  if (!cursor.startsWith("'")) return undefined;
  if (!isClosedRaw(cursor)) throw new IniSyntaxError("unexpected end of line, expecting '''");
  const end = cursor.text.indexOf("'", cursor.position + 1);
  const text = cursor.text.slice(cursor.position + 1, end);
  cursor.position = end + 1;
  return text;
}

/** In a value, a quote that opens nothing ends the pieces; the caller decides whether it may. */
function takeRawOrStop(cursor: LineCursor): string | undefined {
  return cursor.startsWith("'") && isClosedRaw(cursor) ? takeRaw(cursor) : undefined;
}

function takeVariable(cursor: LineCursor, lookups: Pick<IniLookups, 'variable'>): string | undefined {
  if (!cursor.take('${')) return undefined;
  const name = cursor.takeMatch(VARIABLE_NAME);
  if (name === '') throw cursor.unexpected('a variable name');
  if (!cursor.take('}')) {
    throw cursor.unexpected("'}'");
  }
  return expandVariable(name, lookups);
}

/** `${NAME:-fallback}` is PHP 8.3's; before, the fallback was dropped. */
function expandVariable(reference: string, lookups: Pick<IniLookups, 'variable'>): string {
  const split = reference.indexOf(':-');
  if (split === -1) return lookups.variable(reference) ?? '';
  return lookups.variable(reference.slice(0, split)) ?? reference.slice(split + 2);
}

function compute(left: string, operator: string, right: string): string {
  const a = toInteger(left);
  const b = toInteger(right);
  return String(operator === '|' ? a | b : operator === '&' ? a & b : a ^ b);
}
