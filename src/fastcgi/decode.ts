import { ProtocolError } from '../errors.js';
import { FCGI_FIXED_BODY_LEN, FCGI_HEADER_LEN, FCGI_KEEP_CONN, FCGI_VERSION_1 } from './constants.js';
import type { BeginRequest, EndRequest } from './encode.js';

/** One record as it came, without its padding. */
export interface FcgiRecord {
  /** The type as sent; the specification may not have it: then the receiver answers or ignores the record. */
  readonly type: number;
  /** 0 to 65535. */
  readonly requestId: number;
  /** 0 to 65535 bytes. A view of the chunk it came in where it could be: copy what is to be kept. */
  readonly content: Buffer;
}

/**
 * Turns the bytes of one connection, cut anywhere, into records.
 *
 * Holds at most one record that is not whole yet: 64 KiB and its header, whatever is sent.
 */
export class RecordDecoder {
  readonly #header = Buffer.alloc(FCGI_HEADER_LEN);
  #headerFilled = 0;
  /** Content that began in an earlier chunk; undefined while a record's content lies in one chunk. */
  #content: Buffer | undefined;
  #contentFilled = 0;
  #paddingLeft = 0;

  /**
   * Takes the next bytes and gives the records that are whole with them. The caller must read the result to its end
   * before the next call, or give up the connection.
   *
   * @throws ProtocolError a version other than 1; nothing can be read from this connection any more
   */
  *push(chunk: Buffer): Generator<FcgiRecord, void, undefined> {
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#paddingLeft, chunk.length - at);
      this.#paddingLeft -= skipped;
      at += skipped;

      const headerPart = chunk.copy(this.#header, this.#headerFilled, at);
      this.#headerFilled += headerPart;
      at += headerPart;
      if (this.#headerFilled > 0) this.#checkVersion();
      if (this.#headerFilled < FCGI_HEADER_LEN) return;

      const missing = this.#header.readUInt16BE(4) - this.#contentFilled;
      const part = chunk.subarray(at, at + missing);
      at += part.length;
      if (part.length < missing) {
        this.#keep(part);
        return;
      }
      yield this.#finishRecord(part);
    }
  }

  /** True between two records, where a connection may end. */
  get isAtRecordEnd(): boolean {
    return this.#headerFilled === 0 && this.#paddingLeft === 0;
  }

  /**
   * Says that the connection has ended.
   *
   * @throws ProtocolError in the middle of a record
   */
  end(): void {
    if (!this.isAtRecordEnd)
      throw new ProtocolError('the connection ended in the middle of a FastCGI record');
  }

  /** Called at the first byte of a record: a peer with another protocol may never send eight bytes. */
  #checkVersion(): void {
    const version = this.#header.readUInt8(0);
    if (version !== FCGI_VERSION_1) {
      throw new ProtocolError(`expected FastCGI version ${FCGI_VERSION_1}, got ${version}`);
    }
  }

  #keep(part: Buffer): void {
    this.#content ??= Buffer.allocUnsafe(this.#header.readUInt16BE(4));
    this.#contentFilled += part.copy(this.#content, this.#contentFilled);
  }

  #finishRecord(lastPart: Buffer): FcgiRecord {
    if (this.#content !== undefined) this.#keep(lastPart);
    const record = {
      type: this.#header.readUInt8(1),
      requestId: this.#header.readUInt16BE(2),
      content: this.#content ?? lastPart,
    };
    this.#paddingLeft = this.#header.readUInt8(6);
    this.#headerFilled = 0;
    this.#content = undefined;
    this.#contentFilled = 0;
    return record;
  }
}

/**
 * The content of BEGIN_REQUEST.
 *
 * @throws ProtocolError not exactly eight bytes
 */
export function decodeBeginRequest(content: Buffer): BeginRequest & { readonly keepsConnection: boolean } {
  requireFixedBody('FCGI_BEGIN_REQUEST', content);
  const flags = content.readUInt8(2);
  return { role: content.readUInt16BE(0), flags, keepsConnection: (flags & FCGI_KEEP_CONN) !== 0 };
}

/**
 * The content of END_REQUEST.
 *
 * @throws ProtocolError not exactly eight bytes
 */
export function decodeEndRequest(content: Buffer): EndRequest {
  requireFixedBody('FCGI_END_REQUEST', content);
  return { appStatus: content.readUInt32BE(0), protocolStatus: content.readUInt8(4) };
}

function requireFixedBody(name: string, content: Buffer): void {
  if (content.length !== FCGI_FIXED_BODY_LEN) {
    throw new ProtocolError(`${name} has ${FCGI_FIXED_BODY_LEN} bytes of content, got ${content.length}`);
  }
}
