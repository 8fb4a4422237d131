import type { Count } from '../units.js';

/** In the order in which the query is searched for them; without any of them the page is text. */
const FORMATS = ['html', 'xml', 'json', 'openmetrics'] as const;

export type StatusFormat = 'text' | (typeof FORMATS)[number];

export interface StatusChoice {
  readonly format: StatusFormat;
  readonly full: boolean;
}

/** PHP's defaults of `max_input_vars` and `max_input_nesting_level`. */
const MAX_VARIABLES: Count = 1000;
const MAX_NESTING: Count = 64;

/**
 * The page that a query asks for. php-fpm looks into `$_GET`: a key counts if it is a non-empty prefix of the word, so
 * `?j` is json; values are ignored, so `?full=0` is full.
 *
 * @param query without its question mark
 */
export function chooseStatus(query: string | Buffer): StatusChoice {
  const keys = queryKeys(typeof query === 'string' ? query : query.toString('latin1'));
  const isAsked = (wanted: string): boolean => keys.some((key) => wanted.startsWith(key));
  return { format: FORMATS.find(isAsked) ?? 'text', full: isAsked('full') };
}

/** Whether the query has `live`, as a whole word; php-fpm ignores it. */
export function isLiveAsked(query: string | Buffer): boolean {
  return queryKeys(typeof query === 'string' ? query : query.toString('latin1')).includes('live');
}

/** The keys of `$_GET`, without those that can match no word. */
function queryKeys(query: string): string[] {
  return query
    .split('&')
    .filter((part) => part !== '')
    .slice(0, MAX_VARIABLES)
    .map(keyOf)
    .filter((key) => key !== '');
}

/**
 * The name that PHP gives a variable: decoded, cut at NUL, without blanks before it; `key[...]` is an array of that
 * key.
 */
function keyOf(part: string): string {
  const [encoded = ''] = part.split('=', 1);
  const [name = ''] = urlDecoded(encoded).split('\0', 1);
  const key = name.replace(/^ +/, '');
  const bracket = key.indexOf('[');
  if (bracket < 0) return key;
  // PHP turns a bracket that nothing closes, like a dot or a blank, into `_`, which none of the words here has.
  const isArray = key.includes(']', bracket + 1) && nesting(key.slice(bracket)) <= MAX_NESTING;
  return isArray ? key.slice(0, bracket) : '';
}

/** How many `[...]` follow one another. */
function nesting(brackets: string): number {
  const run = /^(?:\[[^\]]*\])*/.exec(brackets)?.[0] ?? '';
  return run.split(']').length - 1;
}

function urlDecoded(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
