import { FCGI_STDOUT } from '../fastcgi/constants.js';
import { encodeEndRequest, encodeStream } from '../fastcgi/encode.js';
import type { Milliseconds, Seconds } from '../units.js';

/** Without `queue.timeout`, which otherwise tells how long clients have to wait at present. */
const RETRY_AFTER_S: Seconds = 5;

/** What `Retry-After` says: whole seconds, from 1. */
export function retryAfterS(timeoutMs: Milliseconds): Seconds {
  return timeoutMs === 0 ? RETRY_AFTER_S : Math.max(1, Math.ceil(timeoutMs / 1000));
}

/** The CGI answer to a client that nobody could serve in time. */
export function refusal(retryAfter: Seconds): Buffer {
  return Buffer.from(
    'Status: 503 Service Unavailable\r\n' +
      `Retry-After: ${retryAfter}\r\n` +
      'Content-Type: text/plain;charset=UTF-8\r\n' +
      'Cache-Control: no-store\r\n\r\n' +
      '503 Service Unavailable: too many requests are waiting. Please try again later.\n',
  );
}

/** A whole answer to one request: FCGI_STDOUT and FCGI_END_REQUEST, in one piece. */
export function wholeAnswer(requestId: number, page: Uint8Array): Buffer {
  return Buffer.concat([...encodeStream(FCGI_STDOUT, requestId, page), encodeEndRequest(requestId)]);
}
