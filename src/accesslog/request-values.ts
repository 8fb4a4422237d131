import { basicUser } from '../request/basic-user.js';
import type { Bytes } from '../units.js';
import type { FieldList } from './fields.js';
import type { RequestRecord } from './record.js';

/** How much php-fpm keeps of each. */
export const METHOD_BYTES: Bytes = 15;
export const URI_BYTES: Bytes = 127;
export const QUERY_BYTES: Bytes = 511;
export const SCRIPT_BYTES: Bytes = 255;
export const POOL_BYTES: Bytes = 31;
const USER_BYTES: Bytes = 31;
/** Longer numbers are none. */
export const LENGTH_BYTES: Bytes = 20;
/** An Authorization header holds user and password; only the user's part is used. */
const AUTHORIZATION_BYTES: Bytes = 512;

/** The user of Basic authorization; empty where there is none. */
export function userOf(fields: FieldList): (record: RequestRecord) => string {
  const authorization = fields.add('PARAM', AUTHORIZATION_BYTES, 'HTTP_AUTHORIZATION');
  return (record) => {
    const text = authorization(record);
    return text ? basicUser(text).slice(0, USER_BYTES) : '';
  };
}

/** As `strtol` reads it; php-fpm shows a negative one as a number near 2^64, here it is none. */
export function contentLength(text: string | undefined): number {
  const digits = text && /^[ \t\n\v\f\r]*\+?(\d+)/.exec(text)?.[1];
  return digits ? Number(digits) : 0;
}
