import type { Seconds } from '../units.js';

/** One value of a page, by the way in which it is written. */
export type StatusValue =
  | { readonly is: 'integer'; readonly value: number | bigint }
  | { readonly is: 'time'; readonly epochS: Seconds }
  | { readonly is: 'percent'; readonly value: number }
  /** From the configuration. */
  | { readonly is: 'word'; readonly text: string }
  /** From a client: may hold anything. */
  | { readonly is: 'request'; readonly bytes: Buffer };

/** Shown for a value that the request does not have. */
const NOTHING = Buffer.from('-');
const QUESTION_MARK = Buffer.from('?');

export const integer = (value: number | bigint): StatusValue => ({ is: 'integer', value });
export const time = (epochS: Seconds): StatusValue => ({ is: 'time', epochS });
export const percent = (value: number): StatusValue => ({ is: 'percent', value });
export const word = (text: string): StatusValue => ({ is: 'word', text });
export const rawRequest = (bytes: Buffer): StatusValue => ({ is: 'request', bytes });
export const request = (bytes: Buffer): StatusValue => rawRequest(orNothing(bytes));

/** URI and query in one value, as the pages show them. */
export function uriWithQuery(uri: Buffer, query: Buffer): StatusValue {
  const shown = orNothing(uri);
  return rawRequest(query.length === 0 ? shown : Buffer.concat([shown, QUESTION_MARK, query]));
}

function orNothing(bytes: Buffer): Buffer {
  return bytes.length === 0 ? NOTHING : bytes;
}
