import { FCGI_KEEP_CONN, FCGI_RESPONDER, FCGI_STDIN } from '../../src/fastcgi/constants.js';
import { encodeBeginRequest, encodeParams, encodeStream, encodeStreamEnd } from '../../src/fastcgi/encode.js';

export interface RequestPieces {
  readonly params: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly keepConn?: boolean;
  readonly requestId?: number;
}

/** A whole request as the bytes that a good client sends, for tests that cut, repeat or damage them. */
export function requestBytes({
  params,
  body = new Uint8Array(),
  keepConn = false,
  requestId = 1,
}: RequestPieces): Buffer {
  return Buffer.concat([
    encodeBeginRequest(requestId, { role: FCGI_RESPONDER, flags: keepConn ? FCGI_KEEP_CONN : 0 }),
    encodeParams(requestId, Object.entries(params)),
    ...encodeStream(FCGI_STDIN, requestId, body),
    encodeStreamEnd(FCGI_STDIN, requestId),
  ]);
}
