import { type FileHandle, open } from 'node:fs/promises';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { contentType } from './content-types.js';
import { sendErrorPage } from './error-page.js';

/** First and last byte, both included. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Answers GET and HEAD with a file: whole, one range of it, or 304 where the client has it already.
 *
 * @param path a regular file
 * @throws Node's own error where it cannot be opened or read; the response may have begun
 */
export async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendErrorPage(response, 405, 'A static file can only be read.', { Allow: 'GET, HEAD' });
    return;
  }
  const file = await open(path, 'r');
  try {
    await sendOpenFile(request, response, file, contentType(path));
  } finally {
    await file.close();
  }
}

async function sendOpenFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: FileHandle,
  type: string,
): Promise<void> {
  const { size, mtime } = await file.stat();
  const lastModified = mtime.toUTCString();
  if (isUnchanged(request, mtime)) {
    response.writeHead(304, { 'Last-Modified': lastModified }).end();
    return;
  }
  const range = requestedRange(request, size, lastModified);
  if (range === 'unsatisfiable') {
    sendErrorPage(response, 416, `The file has ${size} bytes.`, { 'Content-Range': `bytes */${size}` });
    return;
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const headers: OutgoingHttpHeaders = {
    'Content-Type': type,
    'Content-Length': end - start + 1,
    'Last-Modified': lastModified,
    'Accept-Ranges': 'bytes',
    // The files change during development: a browser may keep them, but must ask each time.
    'Cache-Control': 'no-cache',
  };
  if (range !== undefined) {
    headers['Content-Range'] = `bytes ${start}-${end}/${size}`;
  }
  response.writeHead(range === undefined ? 200 : 206, headers);
  if (request.method === 'HEAD' || end < start) {
    response.end();
    return;
  }
  await pipeline(file.createReadStream({ start, end, autoClose: false }), response);
}

/** Compared in whole seconds, since HTTP dates have no fractions. */
function isUnchanged(request: IncomingMessage, mtime: Date): boolean {
  const since = Date.parse(request.headers['if-modified-since'] ?? '');
  return Math.floor(mtime.getTime() / 1000) * 1000 <= since;
}

/** One range in bytes, as players ask for. Several ranges, other units and a stale If-Range get the whole file. */
function requestedRange(
  request: IncomingMessage,
  size: number,
  lastModified: string,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  const ifRange = request.headers['if-range'];
  if (match === null || (ifRange !== undefined && ifRange !== lastModified)) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return undefined;
  const start = from === '' ? Math.max(size - Number(to), 0) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== '' && to !== '' && Number(to) < start) return undefined;
  return start <= end ? { start, end } : 'unsatisfiable';
}
