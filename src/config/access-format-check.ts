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

/**
 * Checks the text of `access.format`.
 *
 * @returns php-fpm's words for the first mistake, `undefined` when there is none; a single `%` at the
 *   end is none
 * @see logging.md section 5
 */
export function accessFormatMistake(format: string): string | undefined {
  let position = format.indexOf('%');
  while (position !== -1 && position + 1 < format.length) {
    const token = readToken(format, position + 1);
    if (typeof token === 'string') {
      return token;
    }
    const mistake = tokenMistake(token.letter, token.modifier);
    if (mistake !== undefined) {
      return mistake;
    }
    position = format.indexOf('%', token.end);
  }
  return undefined;
}

interface Token {
  readonly letter: string;
  /** `''` where there is none, which `%{}t` says as well. */
  readonly modifier: string;
  readonly end: number;
}

function readToken(format: string, start: number): Token | string {
  if (format.charAt(start) !== '{') {
    return { letter: characterAt(format, start), modifier: '', end: start + 1 };
  }
  const close = format.indexOf('}', start);
  if (close === -1 || close + 1 >= format.length) {
    return 'missing closing embrace in the access.format';
  }
  const letter = characterAt(format, close + 1);
  return { letter, modifier: format.slice(start + 1, close), end: close + 2 };
}

/** Whole characters, so that a message never shows half of one. */
function characterAt(text: string, position: number): string {
  return String.fromCodePoint(text.codePointAt(position) ?? 0);
}

function tokenMistake(letter: string, modifier: string): string | undefined {
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
