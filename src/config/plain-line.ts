import { decode } from 'ini';

/**
 * Lines that php-fpm and the `ini` package read alike: a dotted name, `=`, and one unquoted value
 * that holds nothing either of them gives a meaning to (quotes, `$`, `\`, `#`, operators) and that
 * cannot be a keyword or a PHP constant, which are all of word characters. A comment may follow. A name that is a
 * keyword is a syntax error for PHP. Most lines of real files are plain.
 */
const PLAIN_LINE =
  /^[ \t]*(?!(?:true|on|yes|false|off|none|no|null)[ \t]*=)[a-z_.]+[ \t]*=[ \t]*(?!\w+[ \t;\r]*(?:;|\r?$))[\w./:@%+,*?<>-]+[ \t]*(?:;[^\r]*)?\r?$/i;
/** Digits are a word too, but no constant is a number. */
const PLAIN_NUMBER =
  /^[ \t]*(?!(?:true|on|yes|false|off|none|no|null)[ \t]*=)[a-z_.]+[ \t]*=[ \t]*[0-9]+[smhd]?[ \t]*(?:;[^\r]*)?\r?$/i;

/**
 * Decodes a line by the `ini` package, if that is sure to give what php-fpm reads.
 *
 * @returns `undefined` for every other line; the line parser reads those
 */
export function decodePlainLine(line: string): { name: string; value: string } | undefined {
  if (!PLAIN_LINE.test(line) && !PLAIN_NUMBER.test(line)) return undefined;
  const [pair] = Object.entries(decode(line));
  // The package ignores the name `__proto__`; the line parser does not.
  return pair === undefined ? undefined : { name: pair[0], value: String(pair[1]) };
}
