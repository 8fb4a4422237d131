import type { Bytes } from '../units.js';

// How many bytes of each value php-fpm keeps; the status pages and the access log cut at the same place.

export const METHOD_BYTES: Bytes = 15;
export const URI_BYTES: Bytes = 127;
export const QUERY_BYTES: Bytes = 511;
export const USER_BYTES: Bytes = 31;
export const SCRIPT_BYTES: Bytes = 255;
/** Digits of a CONTENT_LENGTH: twenty are above the largest 64-bit number already. */
export const LENGTH_BYTES: Bytes = 20;
