import { decodeCutParams, paramsByName } from '../fastcgi/params.js';
import type { RequestFields } from '../status/status.js';
import type { Bytes } from '../units.js';
import { basicUser } from './basic-user.js';
import { scriptNames } from './script-name.js';

/** How much php-fpm keeps of each. */
const METHOD_BYTES: Bytes = 15;
const URI_BYTES: Bytes = 127;
const QUERY_BYTES: Bytes = 511;
const USER_BYTES: Bytes = 31;
const SCRIPT_BYTES: Bytes = 255;

const HIGHEST_LENGTH = 2n ** 63n - 1n;
/** As `strtol` reads it: what follows the digits does no harm. */
const LENGTH = /^[ \t\n\v\f\r]*\+?(\d+)/;

/**
 * What the status page tells of a request, from its FastCGI params.
 *
 * @param bytes as a worker's slot holds them: cut anywhere, and hostile. Nothing of them is kept by the result
 */
export function requestFields(bytes: Buffer): RequestFields {
  const params = paramsByName(decodeCutParams(bytes).params, 'latin1');
  const { uri, script } = scriptNames(params);
  return {
    method: kept(params.get('REQUEST_METHOD'), METHOD_BYTES),
    uri: kept(uri, URI_BYTES),
    query: kept(params.get('QUERY_STRING'), QUERY_BYTES),
    user: kept(basicUser(params.get('HTTP_AUTHORIZATION') ?? ''), USER_BYTES),
    script: kept(script, SCRIPT_BYTES),
    contentLength: contentLength(params.get('CONTENT_LENGTH') ?? ''),
  };
}

/** For a worker that has served nothing yet. */
export const NO_REQUEST: RequestFields = requestFields(Buffer.alloc(0));

/** As a C string of that size would hold it. */
function kept(value: string | undefined, size: Bytes): Buffer {
  const [text = ''] = (value ?? '').split('\0', 1);
  return Buffer.from(text.slice(0, size), 'latin1');
}

/** php-fpm shows a negative one as a number near 2^64; here it is none. */
function contentLength(text: string): bigint {
  const digits = LENGTH.exec(text)?.[1];
  if (digits === undefined) {
    return 0n;
  }
  // Twenty digits are past the highest already; a value of megabytes is not worth reading.
  const length = BigInt(digits.replace(/^0+(?=\d)/, '').slice(0, 20));
  return length > HIGHEST_LENGTH ? HIGHEST_LENGTH : length;
}
