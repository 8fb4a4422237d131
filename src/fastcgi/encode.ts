import { ProtocolError } from '../errors.js';
import {
  FCGI_BEGIN_REQUEST,
  FCGI_END_REQUEST,
  FCGI_FIXED_BODY_LEN,
  FCGI_HEADER_LEN,
  FCGI_MAX_CONTENT_LEN,
  FCGI_MAX_PADDING_LEN,
  FCGI_PARAMS,
  FCGI_REQUEST_COMPLETE,
  FCGI_VERSION_1,
} from './constants.js';

/** Text is written as UTF-8; bytes as they are. */
export type Text = string | Uint8Array;

/** A name and its value, in the order they are to be sent. */
export type ParamInput = readonly [name: Text, value: Text];

/** What BEGIN_REQUEST says. */
export interface BeginRequest {
  /** 16 bits: `FCGI_RESPONDER` is what web servers use with PHP. */
  readonly role: number;
  /** 8 bits: `FCGI_KEEP_CONN` or 0. */
  readonly flags: number;
}

/** What END_REQUEST says. */
export interface EndRequest {
  /** 32 bits; PHP always sends 0. */
  readonly appStatus: number;
  /** 8 bits: `FCGI_REQUEST_COMPLETE` and its siblings. */
  readonly protocolStatus: number;
}

/**
 * The eight bytes in front of a record's content.
 *
 * @param requestId 0 to 65535; 0 for management records
 * @param contentLength 0 to 65535 bytes
 * @param paddingLength 0 to 255 bytes. None is needed: alignment is only a recommendation (section 3.3), and
 *   PHP closes a connection on content and padding of more than 65535 bytes together
 * @throws RangeError a number that its field cannot hold
 */
function encodeHeader(type: number, requestId: number, contentLength: number, paddingLength = 0): Buffer {
  const header = Buffer.alloc(FCGI_HEADER_LEN);
  header.writeUInt8(FCGI_VERSION_1, 0);
  header.writeUInt8(type, 1);
  header.writeUInt16BE(requestId, 2);
  header.writeUInt16BE(contentLength, 4);
  header.writeUInt8(paddingLength, 6);
  return header;
}

/**
 * One whole record.
 *
 * @param content at most 65535 bytes; longer data is for {@link encodeStream}
 * @throws RangeError a number that its field cannot hold, content too long
 */
export function encodeRecord(
  type: number,
  requestId: number,
  content: Uint8Array,
  paddingLength = 0,
): Buffer {
  if (paddingLength > FCGI_MAX_PADDING_LEN) {
    throw new RangeError(`padding of ${paddingLength} bytes, at most ${FCGI_MAX_PADDING_LEN} fit a record`);
  }
  const header = encodeHeader(type, requestId, content.length, paddingLength);
  return Buffer.concat([header, content, Buffer.alloc(paddingLength)]);
}

/** BEGIN_REQUEST. @throws RangeError a number that its field cannot hold */
export function encodeBeginRequest(requestId: number, { role, flags }: BeginRequest): Buffer {
  const body = Buffer.alloc(FCGI_FIXED_BODY_LEN);
  body.writeUInt16BE(role, 0);
  body.writeUInt8(flags, 2);
  return encodeRecord(FCGI_BEGIN_REQUEST, requestId, body);
}

/** END_REQUEST, by default for a request that succeeded. @throws RangeError a number that its field cannot hold */
export function encodeEndRequest(
  requestId: number,
  { appStatus, protocolStatus }: EndRequest = { appStatus: 0, protocolStatus: FCGI_REQUEST_COMPLETE },
): Buffer {
  const body = Buffer.alloc(FCGI_FIXED_BODY_LEN);
  body.writeUInt32BE(appStatus, 0);
  body.writeUInt8(protocolStatus, 4);
  return encodeRecord(FCGI_END_REQUEST, requestId, body);
}

/**
 * The whole PARAMS stream: as many records as it takes, and the empty one that ends it.
 *
 * The specification lets a pair run over the border of two records; PHP closes the connection when one does.
 * So each record holds whole pairs.
 *
 * @throws ProtocolError a single pair that does not fit a record
 */
export function encodeParams(requestId: number, params: Iterable<ParamInput>): Buffer {
  const records: Buffer[] = [];
  let pairs: Buffer[] = [];
  let length = 0;
  const flush = (): void => {
    if (length > 0) records.push(encodeHeader(FCGI_PARAMS, requestId, length), ...pairs);
    pairs = [];
    length = 0;
  };
  for (const [name, value] of params) {
    const pair = encodePair(name, value);
    if (pair.length > FCGI_MAX_CONTENT_LEN) {
      throw new ProtocolError(
        `param ${toBuffer(name).toString('utf8', 0, 64)} takes ${pair.length} bytes, ` +
          `a record holds ${FCGI_MAX_CONTENT_LEN}`,
      );
    }
    if (length + pair.length > FCGI_MAX_CONTENT_LEN) flush();
    pairs.push(pair);
    length += pair.length;
  }
  flush();
  records.push(encodeStreamEnd(FCGI_PARAMS, requestId));
  return Buffer.concat(records);
}

/**
 * One piece of a stream (STDIN, STDOUT, STDERR, DATA) as records, ready to be written one after the other.
 * The bytes are not copied: each record is its header, then a view of `bytes`. Nothing for an empty piece, since
 * an empty record would end the stream.
 */
export function* encodeStream(type: number, requestId: number, bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += FCGI_MAX_CONTENT_LEN) {
    const content = bytes.subarray(start, start + FCGI_MAX_CONTENT_LEN);
    yield encodeHeader(type, requestId, content.length);
    yield content;
  }
}

/** The empty record that ends a stream. */
export function encodeStreamEnd(type: number, requestId: number): Buffer {
  return encodeHeader(type, requestId, 0);
}

/** One name-value pair (section 3.4): both lengths, then name and value. */
export function encodePair(name: Text, value: Text): Buffer {
  const nameBytes = toBuffer(name);
  const valueBytes = toBuffer(value);
  return Buffer.concat([
    encodePairLength(nameBytes.length),
    encodePairLength(valueBytes.length),
    nameBytes,
    valueBytes,
  ]);
}

/** One byte up to 127; above, four with the top bit set. */
function encodePairLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE((length | 0x8000_0000) >>> 0);
  return bytes;
}

function toBuffer(text: Text): Buffer {
  return typeof text === 'string'
    ? Buffer.from(text, 'utf8')
    : Buffer.from(text.buffer, text.byteOffset, text.byteLength);
}
