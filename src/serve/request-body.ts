import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type { Bytes } from '../units.js';

/** A request body and its length, which CGI must know before the first byte. */
export interface RequestBody {
  /** Undefined where there is no body. */
  readonly length: Bytes | undefined;
  /** Undefined where there is no body. */
  readonly source: Readable | Buffer | undefined;
}

/**
 * The body of a request: streamed where the client tells its length, else read to the end first.
 *
 * @param maxUnsizedBytes how much of a body of unknown length is held in memory
 * @returns `too-large` for a body of unknown length above that; the rest of it is unread
 * @throws Node's own error where the client goes away
 */
export async function openRequestBody(
  request: IncomingMessage,
  maxUnsizedBytes: Bytes,
): Promise<RequestBody | 'too-large'> {
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined) {
    const bytes = await readUpTo(request, maxUnsizedBytes);
    return bytes === undefined ? 'too-large' : { length: bytes.length, source: bytes };
  }
  if (headers['content-length'] === undefined) {
    return { length: undefined, source: undefined };
  }
  return { length: Number(headers['content-length']), source: request };
}

/** All of a stream; undefined where it is longer. */
async function readUpTo(source: Readable, limit: Bytes): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  // If the loop ends early, the request must not be destroyed: it is still to be answered.
  for await (const chunk of source.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
