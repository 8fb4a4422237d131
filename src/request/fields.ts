import { decodeCutParams, paramsByName } from '../fastcgi/params.js';
import type { Bytes } from '../units.js';
import { basicUser } from './basic-user.js';
import { exactContentLength } from './content-length.js';
import { METHOD_BYTES, QUERY_BYTES, SCRIPT_BYTES, URI_BYTES, USER_BYTES } from './limits.js';
import { scriptNames } from './script-name.js';

/**
 * What a request says of itself. Bytes as the client sent them, since nothing promises that they are text; empty
 * where there is none. Whoever shows them makes them harmless first, each in its format.
 */
export interface RequestFields {
  readonly method: Buffer;
  readonly uri: Buffer;
  readonly query: Buffer;
  readonly user: Buffer;
  readonly script: Buffer;
  /** Bytes announced; 0 where there is none. */
  readonly contentLength: bigint;
}

/**
 * What a request says of itself, from its FastCGI params.
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
    contentLength: exactContentLength(params.get('CONTENT_LENGTH') ?? ''),
  };
}

/** For a worker that has served nothing yet. */
export const NO_REQUEST: RequestFields = requestFields(Buffer.alloc(0));

/** The part of a value that a C string of that size would hold. */
function kept(value: string | undefined, size: Bytes): Buffer {
  const [text = ''] = (value ?? '').split('\0', 1);
  return Buffer.from(text.slice(0, size), 'latin1');
}
