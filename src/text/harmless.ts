// Makes client bytes harmless in each format. Values without control bytes and in good UTF-8 come out as php-fpm
// 8.2.36 writes them.

const REPLACEMENT = '\ufffd';
const REPLACEMENT_BYTES = Buffer.from(REPLACEMENT);

/** C0, DEL, C1 and the two Unicode line ends: all that some reader takes for the end of a line or for a command. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const LINE_BREAKERS = /[\0-\x1f\x7f-\x9f\u2028\u2029]/g;
/** What HTML and XML 1.0 forbid, escaped or not. Tab, LF and CR are allowed there and cannot forge markup. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const FORBIDDEN_IN_MARKUP = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g;
const MARKUP = /[&<>"]/g;
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const PLAIN_LABEL = /^[\w .:-]*$/;
const BEYOND_ASCII_OR_SLASH = /[/\u0080-\uffff]/g;

/**
 * For a text page, where php-fpm writes the bytes raw and a URI with a line feed forges lines: anything that could
 * end a line or drive a terminal, and each byte that is no UTF-8, becomes U+FFFD.
 */
export function lineText(value: string | Buffer): string {
  return decoded(value).replace(LINE_BREAKERS, REPLACEMENT);
}

/**
 * For element content and double-quoted attributes. Bytes that are no UTF-8 become U+FFFD; php-fpm then shows nothing at
 * all, which lets a client hide its URI.
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

function decoded(value: string | Buffer): string {
  // A string goes through bytes too: it may hold half of a surrogate pair.
  return (typeof value === 'string' ? Buffer.from(value) : value).toString('utf8');
}

/** Decodes and leaves out what is no UTF-8, but keeps a U+FFFD that was sent as one. */
function withoutInvalid(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes(REPLACEMENT)) {
    return text;
  }
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
