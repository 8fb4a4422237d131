import { ProtocolError } from '../errors.js';
import type { Bytes } from '../units.js';

/** The part of a CGI answer before its body (RFC 3875 section 6). */
export interface ResponseHead {
  /** 100 to 999; 200 where PHP sends no Status, 302 where it sends only a Location. */
  readonly status: number;
  /** The words after the status; undefined where there were none. */
  readonly reason: string | undefined;
  /** In the order sent, names in the case sent, repeated ones (Set-Cookie) repeated. Bytes read as Latin-1. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** Limits of {@link ResponseParser}. */
export interface ResponseLimits {
  /** Largest header block, its empty line included. Default 64 KiB. */
  readonly maxHeaderBytes?: Bytes;
}

const DEFAULT_MAX_HEADER_BYTES = 65_536;
const INITIAL_BUFFER_BYTES = 1024;

const LF = 0x0a;
const CR = 0x0d;

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Visible characters, blanks and tabs: what an HTTP header may hold (RFC 9110 section 5.5). */
const FIELD_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;
const STATUS_VALUE = /^([1-9][0-9]{2})(?:[ \t]+(.*))?$/;
/** What PHP sends instead of Status with `cgi.rfc2616_headers`. */
const STATUS_LINE = /^HTTP\/[0-9]\.[0-9][ \t]+(.*)$/;

/**
 * Splits the STDOUT stream of a CGI program, cut anywhere, into head and body.
 *
 * Holds at most the header block; the body passes through.
 */
export class ResponseParser {
  readonly #maxHeaderBytes: Bytes;
  /** The header block so far; grows by doubling up to the limit. */
  #block = Buffer.alloc(0);
  #filled = 0;
  /** Offset of the line that is not whole yet. */
  #lineStart = 0;
  #scanned = 0;
  #head: ResponseHead | undefined;

  constructor({ maxHeaderBytes = DEFAULT_MAX_HEADER_BYTES }: ResponseLimits = {}) {
    this.#maxHeaderBytes = maxHeaderBytes;
  }

  /** The head once its empty line has come. */
  get head(): ResponseHead | undefined {
    return this.#head;
  }

  /**
   * Takes the next bytes and gives those that belong to the body: none while the head is not whole.
   *
   * @returns a view of `chunk`
   * @throws ProtocolError a header block that is too large or is none
   */
  push(chunk: Buffer): Buffer {
    if (this.#head !== undefined) return chunk;
    const before = this.#filled;
    const taken = Math.min(chunk.length, this.#maxHeaderBytes - before);
    this.#append(chunk.subarray(0, taken));
    const end = this.#findEnd();
    if (end !== undefined) {
      this.#head = parseHead(this.#block.toString('latin1', 0, end));
      this.#block = Buffer.alloc(0);
      return chunk.subarray(end - before);
    }
    if (this.#filled === this.#maxHeaderBytes) {
      throw new ProtocolError(`the response header is larger than ${this.#maxHeaderBytes} bytes`);
    }
    return chunk.subarray(chunk.length);
  }

  /**
   * Says that the stream has ended.
   *
   * @throws ProtocolError before the header block was whole
   */
  end(): ResponseHead {
    if (this.#head === undefined) {
      throw new ProtocolError(
        this.#filled === 0 ? 'the response is empty' : 'the response ended inside its header',
      );
    }
    return this.#head;
  }

  #append(bytes: Buffer): void {
    const needed = this.#filled + bytes.length;
    if (needed > this.#block.length) {
      const doubled = Math.max(needed, this.#block.length * 2, INITIAL_BUFFER_BYTES);
      const grown = Buffer.alloc(Math.min(doubled, this.#maxHeaderBytes));
      this.#block.copy(grown, 0, 0, this.#filled);
      this.#block = grown;
    }
    bytes.copy(this.#block, this.#filled);
    this.#filled = needed;
  }

  /** Reads each byte once: a block that comes byte by byte must not take quadratic time. */
  #findEnd(): number | undefined {
    for (; this.#scanned < this.#filled; this.#scanned += 1) {
      if (this.#block[this.#scanned] !== LF) continue;
      const length = this.#scanned - this.#lineStart;
      if (length === 0 || (length === 1 && this.#block[this.#lineStart] === CR)) return this.#scanned + 1;
      this.#lineStart = this.#scanned + 1;
    }
    return undefined;
  }
}

function parseHead(block: string): ResponseHead {
  const headers: [string, string][] = [];
  let explicit: { status: number; reason: string | undefined } | undefined;
  const lines = block.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    if (!FIELD_TEXT.test(line)) throw notAHeader(line);
    const statusLine = index === 0 ? STATUS_LINE.exec(line) : null;
    if (statusLine !== null) {
      explicit = parseStatus(statusLine[1] ?? '');
      continue;
    }
    const [name, value] = parseField(line);
    if (name.toLowerCase() === 'status') {
      explicit = parseStatus(value);
    } else {
      headers.push([name, value]);
    }
  }
  return { ...(explicit ?? { status: impliedStatus(headers), reason: undefined }), headers };
}

function parseField(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0));
  if (!FIELD_NAME.test(name)) throw notAHeader(line);
  return [name, trimBlanks(line.slice(colon + 1))];
}

function notAHeader(line: string): ProtocolError {
  return new ProtocolError(`not a response header: ${JSON.stringify(line.slice(0, 80))}`);
}

function parseStatus(value: string): { status: number; reason: string | undefined } {
  const match = STATUS_VALUE.exec(value);
  if (match === null) {
    throw new ProtocolError(`not a response status: ${JSON.stringify(value.slice(0, 80))}`);
  }
  return { status: Number(match[1]), reason: match[2] || undefined };
}

/** Without a regular expression, which would take quadratic time for many blanks. */
function trimBlanks(text: string): string {
  const isBlank = (at: number): boolean => text[at] === ' ' || text[at] === '\t';
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(start)) start += 1;
  while (end > start && isBlank(end - 1)) end -= 1;
  return text.slice(start, end);
}

/** A Location alone is a redirect (RFC 3875 section 6.2.3). */
function impliedStatus(headers: readonly (readonly [string, string])[]): number {
  return headers.some(([name]) => name.toLowerCase() === 'location') ? 302 : 200;
}
