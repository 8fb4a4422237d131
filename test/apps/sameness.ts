import type { Exchange } from './visitor.js';

/** Something that two runs of one script show differently, by its nature. */
export interface Normaliser {
  readonly what: string;
  readonly pattern: RegExp;
  /** In its place; a `$1` is kept. */
  readonly by: string;
}

/** What differs everywhere. */
export const EVERYWHERE: readonly Normaliser[] = [
  {
    what: 'a date as HTTP and mail write it',
    pattern:
      /\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*, \d\d[ -][A-Z][a-z]{2}[ -]\d{4} \d\d:\d\d:\d\d(?: GMT| \+0000)?/g,
    by: '<date>',
  },
  { what: 'an ISO date', pattern: /\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|\+00:00)?/g, by: '<date>' },
  { what: 'a date as digits', pattern: /\b20\d{12}\b/g, by: '<date>' },
  { what: 'seconds since 1970', pattern: /\b1[789]\d{8}(?:\d{3})?(?:\.\d+)?\b/g, by: '<seconds>' },
  { what: 'a hash or a random token', pattern: /\b[0-9a-f]{32,128}\b/g, by: '<token>' },
  { what: "nginx's tag of a file", pattern: /^(ETag: )"[0-9a-f]+-([0-9a-f]+)"/gi, by: '$1<time>-$2' },
  {
    what: "a cookie's value, which is a session or signs one",
    pattern: /^(set-cookie: [^=;]*=)(?!deleted)[^;]{6,}/gi,
    by: '$1<value>',
  },
  { what: 'the rest of the life of a cookie', pattern: /(max-age=)\d{3,}/gi, by: '$1<seconds>' },
];

const normalise = (text: string, normalisers: readonly Normaliser[]) =>
  normalisers.reduce((rest, { pattern, by }) => rest.replace(pattern, by), text);

const isText = (exchange: Exchange) => /text|json|javascript|xml|^$/.test(exchange.header('content-type'));

function headerLines(exchange: Exchange, normalisers: readonly Normaliser[]): string[] {
  return exchange.headers.map(([name, value]) => {
    // As long as the body, whose natural differences may change that.
    if (name.toLowerCase() === 'content-length' && isText(exchange)) return `${name}: <length>`;
    return normalise(`${name}: ${value}`, normalisers);
  });
}

const AROUND = 100;
const MOST_LINES = 8;

/** The lines that only one of two texts has; for one long line, where it parts from the other's. */
function parting(ours: string, theirs: string): string {
  const onlyIn = (text: string, other: string) => {
    const others = new Set(other.split('\n'));
    return text.split('\n').filter((line) => !others.has(line));
  };
  const [mine, yours] = [onlyIn(ours, theirs), onlyIn(theirs, ours)];
  const isOrder = mine.length === 0 && yours.length === 0;
  const [a, b] = isOrder ? [ours, theirs] : [mine[0] ?? '', yours[0] ?? ''];
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const from = Math.max(0, at - AROUND);
  const show = (who: string, lines: readonly string[], first: string) =>
    [first, ...lines.slice(1, MOST_LINES)]
      .map((line, i) => `${who}: ${i === 0 ? line.slice(from, at + AROUND) : line.slice(0, 2 * AROUND)}`)
      .join('\n');
  const rest = (lines: readonly string[]) =>
    lines.length > MOST_LINES ? `\n(and ${lines.length - MOST_LINES} more)` : '';
  return `${isOrder ? 'in another order' : ''}\n${show('tsfpm  ', mine, a)}${rest(mine)}\n${show('php-fpm', yours, b)}${rest(yours)}`;
}

/** What tells an answer under tsfpm from the same one under php-fpm; empty if nothing does. */
export function differences(ours: Exchange, theirs: Exchange, site: readonly Normaliser[]): string[] {
  const all = [...EVERYWHERE, ...site];
  const found: string[] = [];
  const told = (what: string, a: string, b: string) => {
    if (a !== b) found.push(`${what}: ${parting(a, b)}`);
  };
  const line = ({ method, path }: Exchange) => normalise(`${method} ${path}`, all);
  told('request', line(ours), line(theirs));
  told('status', `${ours.status} ${ours.statusText}`, `${theirs.status} ${theirs.statusText}`);
  told('headers', headerLines(ours, all).join('\n'), headerLines(theirs, all).join('\n'));
  if (isText(ours)) told('body', normalise(ours.text, all), normalise(theirs.text, all));
  else if (!ours.body.equals(theirs.body))
    found.push(`body: ${ours.body.length} and ${theirs.body.length} bytes`);
  return found;
}
