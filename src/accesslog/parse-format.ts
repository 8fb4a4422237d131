const WITH_MODIFIER = 'CdeMotT';
const WITHOUT_MODIFIER = '%flmnpPqQrRsu';

const CHOICES: Readonly<Record<string, { readonly words: readonly string[]; readonly names: string }>> = {
  C: { words: ['total', 'user', 'system'], names: "'total', 'user' or 'system'" },
  d: {
    words: ['seconds', 'milliseconds', 'milli', 'miliseconds', 'mili', 'microseconds', 'micro'],
    names: "'seconds', 'milli', 'milliseconds', 'micro' or 'microseconds'",
  },
  M: {
    words: ['bytes', 'kilobytes', 'kilo', 'megabytes', 'mega'],
    names: "'bytes', 'kilo', 'kilobytes', 'mega' or 'megabytes'",
  },
};

const MANDATORY: Readonly<Record<string, string>> = { e: 'environment variable', o: 'header' };

/** How much php-fpm keeps of a modifier, in bytes. */
const LONGEST_MODIFIER = 128;

/** The value of `access.format` that stands for one JSON object a line. */
export const JSON_FORMAT = 'json';
/** The default of `access.format`. */
export const DEFAULT_FORMAT = '%R - %u %t "%m %r" %s';

/** A piece of `access.format`: text as it is, or a value. */
export type FormatPiece = string | FormatToken;

export interface FormatToken {
  readonly letter: string;
  /** `''` for none, and for an empty one as in `%{}t`. */
  readonly modifier: string;
}

/** The format has a mistake; `reason` says the first one, in php-fpm's words. */
export interface FormatMistake {
  readonly reason: string;
}

/** Splits the text of `access.format` into pieces. A single `%` at its end is ignored. */
export function parseAccessFormat(format: string): readonly FormatPiece[] | FormatMistake {
  const pieces: FormatPiece[] = [];
  let textFrom = 0;
  let position = format.indexOf('%');
  while (position !== -1) {
    if (position > textFrom) pieces.push(format.slice(textFrom, position));
    if (position + 1 >= format.length) return pieces;
    const token = readToken(format, position + 1);
    if (typeof token === 'string') return { reason: token };
    const mistake = tokenMistake(token);
    if (mistake !== undefined) return { reason: mistake };
    pieces.push({ letter: token.letter, modifier: token.modifier });
    textFrom = token.end;
    position = format.indexOf('%', token.end);
  }
  if (textFrom < format.length) pieces.push(format.slice(textFrom));
  return pieces;
}

/** @returns php-fpm's words for the first mistake in the text of `access.format`, `undefined` when there is none */
export function accessFormatMistake(format: string): string | undefined {
  const parsed = parseAccessFormat(format);
  return 'reason' in parsed ? parsed.reason : undefined;
}

interface TokenAt extends FormatToken {
  readonly end: number;
}

function readToken(format: string, start: number): TokenAt | string {
  if (format.charAt(start) !== '{') {
    const letter = characterAt(format, start);
    return { letter, modifier: '', end: start + letter.length };
  }
  const close = format.indexOf('}', start);
  if (close === -1 || close + 1 >= format.length) return 'missing closing embrace in the access.format';
  const letter = characterAt(format, close + 1);
  const modifier = format.slice(start + 1, close).slice(0, LONGEST_MODIFIER);
  return { letter, modifier, end: close + 1 + letter.length };
}

/** The character there, with both halves of a surrogate pair. */
function characterAt(text: string, position: number): string {
  return String.fromCodePoint(text.codePointAt(position) ?? 0);
}

function tokenMistake({ letter, modifier }: FormatToken): string | undefined {
  if (!WITH_MODIFIER.includes(letter)) {
    if (!WITHOUT_MODIFIER.includes(letter)) {
      return `Invalid token in the access.format (%${letter})`;
    }
    return modifier === '' ? undefined : `embrace is not allowed for modifier %${letter}`;
  }
  const mandatory = MANDATORY[letter];
  if (mandatory !== undefined && modifier === '') {
    return `the name of the ${mandatory} must be set between embraces for %${letter}`;
  }
  const choice = CHOICES[letter];
  if (choice !== undefined && modifier !== '' && !choice.words.includes(modifier.toLowerCase())) {
    return `only ${choice.names} are allowed as a modifier for %${letter} ('${modifier}')`;
  }
  return undefined;
}
