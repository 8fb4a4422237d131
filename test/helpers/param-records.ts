import { FCGI_PARAMS } from '../../src/fastcgi/constants.js';
import { encodePair, encodeRecord } from '../../src/fastcgi/encode.js';

/** Ways to end a request's params, and whether PHP takes them: tried with php-cgi and php-fpm 8.2. */
export interface ParamEnd {
  readonly isTaken: boolean;
  /** What each further record holds; the first of them goes into the record of the params before. */
  readonly contents: readonly Uint8Array[];
}

const EMPTY_PAIR = [0, 0];
/** 0 in the form of four bytes. */
const FOUR_BYTES = [0x80, 0, 0, 0];
const taken = (...contents: (readonly number[])[]): ParamEnd => ({
  isTaken: true,
  contents: contents.map(bytes),
});
const refused = (...contents: (readonly number[])[]): ParamEnd => ({
  isTaken: false,
  contents: contents.map(bytes),
});
const bytes = (content: readonly number[]) => Buffer.from(content);
const pair = (name: string, value: string) => [...encodePair(name, value)];

export const PARAM_ENDS: Readonly<Record<string, ParamEnd>> = {
  'nothing more': taken(),
  'one more pair': taken(pair('A', 'b')),
  'one more pair in a record of its own': taken([], pair('A', 'b')),
  'an empty pair': taken(EMPTY_PAIR),
  'lengths of four bytes': taken([0x80, 0, 0, 1, 0x80, 0, 0, 1, 65, 66]),
  'an empty pair with a length of four bytes, then another': taken([0, ...FOUR_BYTES, ...pair('A', 'b')]),
  'an empty pair with a length of four bytes': refused([0, ...FOUR_BYTES]),
  'an empty pair with two lengths of four bytes': refused([...FOUR_BYTES, ...FOUR_BYTES]),
  'a name without the length of a value': refused([1]),
  'a length of four bytes that is cut': refused([0, 0x80, 0]),
  'a length of four bytes over two records': refused([0, 0x80, 0], [0, 0]),
  'a pair over two records': refused([1, 1, 65], [66]),
  'a name that is longer than its record': refused([9, 0, 65]),
  'a value that is longer than its record': refused([1, 9, 65, 66]),
  'a pair of 4 GiB': refused([255, 255, 255, 255, 255, 255, 255, 255, 65, 66]),
};

/** The PARAMS records of these params with that end. */
export function paramsWithEnd(params: Readonly<Record<string, string>>, { contents }: ParamEnd): Buffer {
  const pairs = Object.entries(params).map(([name, value]) => encodePair(name, value));
  const [first = Buffer.alloc(0), ...others] = contents;
  return Buffer.concat(
    [Buffer.concat([...pairs, first]), ...others].map((it) => encodeRecord(FCGI_PARAMS, 1, it)),
  );
}
