// Makes text from outside safe to show. What is dangerous differs from place to place, and so do the rules:
//
//   lineText         a line of a log, of a text page          controls of Unicode and its line ends become U+FFFD
//   markupText       HTML and XML                             markup is escaped, forbidden characters become U+FFFD
//   jsonRequest      JSON, from a client                      as php-fpm: ASCII, what is no UTF-8 is left out
//   jsonWord         JSON, from the configuration             as php-fpm: unescaped where it may be
//   metricText       labels and HELP of OpenMetrics           lineText, quotes and backslashes escaped
//   escapedControls  the access log, syslog                   ASCII controls become `\x1b`
//   escapedLine      a line of the development server         controls of Unicode but the tab become `\x1b`
//   escapedBytes     a backtrace                              as lineText, but `\x1b`; so is what is no UTF-8
//   terminalText     what a command prints                    controls and marks of writing direction become `?`
//   cellText         a cell of `tsfpm top`                    all that is not one cell wide becomes `?`
//
// Values without control bytes and in good UTF-8 come out of the first five as php-fpm 8.2.36 writes them.

const REPLACEMENT = '\ufffd';
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);

/** C0, DEL, C1 and the two Unicode line ends: all that any program takes for the end of a line or for a command. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const LINE_BREAKERS = /[\0-\x1f\x7f-\x9f\u2028\u2029]/g;
/** What HTML and XML 1.0 forbid, escaped or not. Tab, LF and CR are allowed there and cannot forge markup. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const FORBIDDEN_IN_MARKUP = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;
/** C0 and DEL. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const ASCII_CONTROL = /[\0-\x1f\x7f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const ASCII_CONTROLS = /[\0-\x1f\x7f]/g;
/** C0, DEL and C1, but the tab. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const CONTROLS_BUT_TAB = /[\0-\x08\x0a-\x1f\x7f-\x9f]/g;
const CONTROLS_AND_FORMATS = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
/** All but the letters that take one cell in every terminal: controls, what has no cell, and what has two. */
const UNKNOWN_WIDTH = /[^\x20-\x7e\u00a1-\u00ac\u00ae-\u024f\u0386-\u03ce\u0400-\u0482\u048a-\u052f\u2026]/gu;
const MARKUP = /[&<>"]/g;
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const PLAIN_LABEL = /^[\w .:-]*$/;
const BEYOND_ASCII_OR_SLASH = /[/\u0080-\uffff]/g;

/**
 * For a line of a text page or a log: anything that could end a line or drive a terminal, and each byte that is no
 * UTF-8, becomes U+FFFD. php-fpm writes the bytes raw, and a URI with a line feed forges lines.
 */
export function lineText(value: string | Buffer): string {
  return decoded(value).replace(LINE_BREAKERS, REPLACEMENT);
}

/**
 * For element content and double-quoted attributes. Bytes that are no UTF-8 become U+FFFD; php-fpm then shows nothing
 * at all, which lets a client hide its URI.
 */
export function markupText(value: string | Buffer): string {
  return decoded(value)
    .replace(FORBIDDEN_IN_MARKUP, REPLACEMENT)
    .replace(MARKUP, (char) => ENTITIES[char] as string);
}

/** A JSON string with its quotes, as php-fpm writes client bytes: ASCII, `/` escaped, what is no UTF-8 left out. */
export function jsonRequest(bytes: Buffer): string {
  return JSON.stringify(withoutInvalid(bytes)).replace(BEYOND_ASCII_OR_SLASH, (char) =>
    char === '/' ? '\\/' : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A JSON string with its quotes, as php-fpm writes what comes from the configuration: unescaped where it may be. */
export function jsonWord(text: string): string {
  return JSON.stringify(decoded(text));
}

/** For HELP in OpenMetrics; a label value has the same rules. */
export function metricText(text: string): string {
  // Asked for each label of each sample: nearly all of them are plain names.
  return PLAIN_LABEL.test(text) ? text : lineText(text).replace(/[\\"]/g, '\\$&');
}

/**
 * ASCII controls as `\x0a`; everything else, quotes included, is as it came. For the access log, whose text is Latin-1:
 * there the bytes of C1 are parts of UTF-8 letters. php-fpm writes controls raw, and a line feed in a URI forges a
 * line. Also for syslog, where php.ini's `syslog.filter = no-ctrl` is the same rule.
 */
export function escapedControls(text: string): string {
  // Asked for each value of each request: nearly all of them have nothing to escape.
  return ASCII_CONTROL.test(text) ? text.replace(ASCII_CONTROLS, escapedCharacter) : text;
}

/** Controls but the tab, which lines of PHP hold, as `\x1b`: the text cannot drive a terminal. */
export function escapedLine(text: string): string {
  return text.replace(CONTROLS_BUT_TAB, escapedCharacter);
}

/**
 * Whatever ends a line or drives a terminal, byte by byte as `\x1b`; where it is no UTF-8, all that is not ASCII too.
 */
export function escapedBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  const isUtf8 = Buffer.from(text).equals(bytes);
  const readable = isUtf8 ? text : [...bytes].map(asciiOrEscaped).join('');
  return readable.replace(LINE_BREAKERS, (character) =>
    [...Buffer.from(character)].map(escapedByte).join(''),
  );
}

/** For what a master answers to a command: names and messages may hold characters that a terminal obeys. */
export function terminalText(text: string): string {
  return text.replaceAll(CONTROLS_AND_FORMATS, '?');
}

/** For a cell of a table: every character of the result takes one cell, in every terminal. */
export function cellText(text: string): string {
  return text.replaceAll(UNKNOWN_WIDTH, '?');
}

function escapedCharacter(character: string): string {
  return escapedByte(character.charCodeAt(0));
}

function escapedByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

function asciiOrEscaped(byte: number): string {
  return byte < 0x80 ? String.fromCharCode(byte) : escapedByte(byte);
}

function decoded(value: string | Buffer): string {
  // A string goes through bytes too: it may hold half of a surrogate pair.
  return (typeof value === 'string' ? Buffer.from(value) : value).toString('utf8');
}

/** Decodes and leaves out what is no UTF-8, but keeps a U+FFFD that was sent as one. */
function withoutInvalid(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes(REPLACEMENT)) return text;
  // Its first byte begins a character wherever it stands, so the split never parts another character.
  return splitAt(bytes, REPLACEMENT_BYTES)
    .map((part) => part.toString('utf8').replaceAll(REPLACEMENT, ''))
    .join(REPLACEMENT);
}

function splitAt(bytes: Buffer, separator: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (let at = bytes.indexOf(separator); at >= 0; at = bytes.indexOf(separator, start)) {
    parts.push(bytes.subarray(start, at));
    start = at + separator.length;
  }
  parts.push(bytes.subarray(start));
  return parts;
}
