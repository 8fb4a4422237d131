import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import type { Bytes } from '../units.js';

/** Below this it is not worth the work. */
const LEAST_BYTES: Bytes = 4096;
const compress = promisify(gzip);

/**
 * A body for a client that takes gzip, made in a thread of its own; undefined where it is sent as it is.
 *
 * @param acceptEncoding the header of that name (RFC 9110 section 12.5.3)
 */
export async function gzipped(
  bytes: Buffer,
  acceptEncoding: string | undefined,
): Promise<Buffer | undefined> {
  if (bytes.length < LEAST_BYTES || !takesGzip(acceptEncoding ?? '')) return undefined;
  try {
    return await compress(bytes, { level: constants.Z_BEST_SPEED });
  } catch {
    return undefined; // no memory for it: then without
  }
}

function takesGzip(acceptEncoding: string): boolean {
  return acceptEncoding
    .toLowerCase()
    .split(',')
    .some((part) => /^\s*gzip\s*(?:;\s*q=(?:1|0\.0*[1-9])[\d.]*\s*)?$/.test(part));
}
