import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  FCGI_END_REQUEST,
  FCGI_KEEP_CONN,
  FCGI_RESPONDER,
  FCGI_STDERR,
  FCGI_STDIN,
  FCGI_STDOUT,
} from '../../src/fastcgi/constants.js';
import { decodeEndRequest, type FcgiRecord, RecordDecoder } from '../../src/fastcgi/decode.js';
import {
  type EndRequest,
  encodeBeginRequest,
  encodePair,
  encodeParams,
  encodeRecord,
  encodeStream,
  encodeStreamEnd,
  type ParamInput,
} from '../../src/fastcgi/encode.js';
import { decodeParams, paramsByName } from '../../src/fastcgi/params.js';
import { ResponseParser } from '../../src/fastcgi/response.js';
import type { Milliseconds } from '../../src/units.js';
import { FCGI_GET_VALUES, FCGI_GET_VALUES_RESULT, FCGI_NULL_REQUEST_ID } from './record-types.js';

/** Path of a unix socket, or a TCP address. */
export type FcgiAddress = string | { readonly host: string; readonly port: number };

export interface FcgiRequestOptions {
  readonly params: Readonly<Record<string, string>> | Iterable<ParamInput>;
  /** Sent as it is; CONTENT_LENGTH is the caller's to set, since tests lie about it. Default: empty. */
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Default false. */
  readonly keepConn?: boolean;
  /** For the whole request, connecting included; default 10 s. */
  readonly timeoutMs?: Milliseconds;
  /** Default 1. */
  readonly requestId?: number;
  /** Default `FCGI_RESPONDER`. */
  readonly role?: number;
}

export interface FcgiResponse {
  readonly status: number;
  readonly reason: string | undefined;
  readonly headers: Headers;
  readonly body: Buffer;
  readonly stderr: string;
  /** Undefined where the connection ended without one. */
  readonly endRequest: EndRequest | undefined;
}

const DEFAULT_TIMEOUT_MS: Milliseconds = 10_000;

/** One request on a connection of its own. Rejects where no response header comes, and after `timeoutMs`. */
export async function fcgiRequest(address: FcgiAddress, options: FcgiRequestOptions): Promise<FcgiResponse> {
  const connection = await FastcgiConnection.open(address, options.timeoutMs);
  try {
    return await connection.request(options);
  } finally {
    connection.close();
  }
}

/** The params of a usual GET of a script by its file name, as nginx would send them. */
export function scriptParams(
  file: string,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const scriptName = file.slice(file.lastIndexOf('/'));
  return {
    SCRIPT_FILENAME: file,
    QUERY_STRING: '',
    REQUEST_METHOD: 'GET',
    CONTENT_TYPE: '',
    CONTENT_LENGTH: '',
    SCRIPT_NAME: scriptName,
    REQUEST_URI: scriptName,
    DOCUMENT_URI: scriptName,
    DOCUMENT_ROOT: file.slice(0, file.lastIndexOf('/')) || '/',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REQUEST_SCHEME: 'http',
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_SOFTWARE: 'tsfpm-test',
    REMOTE_ADDR: '127.0.0.1',
    REMOTE_PORT: '40000',
    SERVER_ADDR: '127.0.0.1',
    SERVER_PORT: '80',
    SERVER_NAME: 'localhost',
    REDIRECT_STATUS: '200',
    HTTP_HOST: 'localhost',
    ...extra,
  };
}

/** One connection for several requests in turn, and for bytes that no good client would send. */
export class FastcgiConnection {
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #decoder = new RecordDecoder();
  readonly #records: FcgiRecord[] = [];
  #wake: (() => void) | undefined;
  #isClosed = false;
  #error: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk));
    // What the peer does to the connection is the test's matter: it shows in `error` and `closed`.
    socket.on('error', (err) => {
      this.#error ??= err;
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isClosed = true;
        this.#wake?.();
        resolve();
      });
    });
  }

  /**
   * @param staysOpen keep this side open when the peer has closed its own; default is to close then
   * @throws Node's own error where nobody listens, an Error after `timeoutMs`
   */
  static async open(
    address: FcgiAddress,
    timeoutMs = DEFAULT_TIMEOUT_MS,
    staysOpen = false,
  ): Promise<FastcgiConnection> {
    // A request goes out in several writes: none of them waits for the acknowledgement of the one before.
    const where = typeof address === 'string' ? { path: address } : { ...address, noDelay: true };
    const socket = connect({ ...where, allowHalfOpen: staysOpen });
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    } catch (err) {
      socket.destroy();
      throw err;
    }
    return new FastcgiConnection(socket);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why the connection ended: ECONNRESET, a ProtocolError; undefined where it ended in order. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Raw bytes; nothing is added. */
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Reads nothing until {@link resume}: the peer's writes fill the kernel's buffers and then wait. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Half-closes: the peer reads to the end. */
  endSending(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The next record; undefined once the connection has ended. Rejects after `timeoutMs`. */
  async nextRecord(timeoutMs: Milliseconds = DEFAULT_TIMEOUT_MS): Promise<FcgiRecord | undefined> {
    const deadline = performance.now() + timeoutMs;
    while (this.#records.length === 0 && !this.#isClosed) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) {
        throw new Error(`no FastCGI record within ${timeoutMs} ms`);
      }
      await this.#changed(leftMs);
    }
    return this.#records.shift();
  }

  /** Sends one request and reads its answer up to END_REQUEST or the end of the connection. */
  async request(options: FcgiRequestOptions): Promise<FcgiResponse> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const deadline = performance.now() + timeoutMs;
    // Not awaited: an answer may come before all of the body is sent.
    this.#sendRequest(options).catch((err: Error) => {
      this.#error ??= err;
      this.close();
    });
    return this.#readResponse(deadline);
  }

  /** Asks for limits: FCGI_MAX_CONNS and the like. */
  async getValues(names: readonly string[], timeoutMs?: Milliseconds): Promise<Map<string, string>> {
    const pairs = names.map((name) => encodePair(name, ''));
    this.send(encodeRecord(FCGI_GET_VALUES, FCGI_NULL_REQUEST_ID, Buffer.concat(pairs)));
    const record = await this.nextRecord(timeoutMs);
    if (record?.type !== FCGI_GET_VALUES_RESULT) {
      throw new Error(`no FCGI_GET_VALUES_RESULT, but ${record === undefined ? 'the end' : record.type}`);
    }
    return paramsByName(decodeParams(record.content));
  }

  #take(chunk: Buffer): void {
    try {
      this.#records.push(...this.#decoder.push(chunk));
    } catch (err) {
      this.#error ??= err as Error;
      this.#socket.destroy();
    }
    this.#wake?.();
  }

  #changed(withinMs: Milliseconds): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #sendRequest(options: FcgiRequestOptions): Promise<void> {
    const {
      params,
      stdin = new Uint8Array(),
      keepConn = false,
      requestId = 1,
      role = FCGI_RESPONDER,
    } = options;
    const pairs = Symbol.iterator in params ? params : Object.entries(params);
    const start = encodeBeginRequest(requestId, { role, flags: keepConn ? FCGI_KEEP_CONN : 0 });
    this.send(Buffer.concat([start, encodeParams(requestId, pairs as Iterable<ParamInput>)]));
    for await (const chunk of stdin instanceof Uint8Array ? [stdin] : stdin) {
      let flows = true;
      for (const piece of encodeStream(FCGI_STDIN, requestId, chunk)) flows = this.#socket.write(piece);
      if (!flows && !this.#isClosed) await Promise.race([once(this.#socket, 'drain'), this.closed]);
      if (this.#isClosed) return;
    }
    this.send(encodeStreamEnd(FCGI_STDIN, requestId));
  }

  async #readResponse(deadline: Milliseconds): Promise<FcgiResponse> {
    const parser = new ResponseParser();
    const body: Buffer[] = [];
    const stderr: Buffer[] = [];
    let endRequest: EndRequest | undefined;
    while (endRequest === undefined) {
      const record = await this.nextRecord(Math.max(deadline - performance.now(), 0));
      if (record === undefined) break;
      switch (record.type) {
        case FCGI_STDOUT:
          body.push(parser.push(record.content));
          break;
        case FCGI_STDERR:
          stderr.push(record.content);
          break;
        case FCGI_END_REQUEST:
          endRequest = decodeEndRequest(record.content);
          break;
        default:
          throw new Error(`unexpected FastCGI record of type ${record.type}`);
      }
    }
    return {
      ...this.#readHead(parser, endRequest, Buffer.concat(stderr)),
      body: Buffer.concat(body),
      stderr: Buffer.concat(stderr).toString(),
      endRequest,
    };
  }

  #readHead(parser: ResponseParser, endRequest: EndRequest | undefined, stderr: Buffer) {
    try {
      const { status, reason, headers } = parser.end();
      return { status, reason, headers: new Headers(headers.map(([name, value]) => [name, value])) };
    } catch (err) {
      const ending = endRequest === undefined ? 'connection closed' : 'request ended';
      throw new Error(`${ending}: ${(err as Error).message}; stderr: ${stderr.toString()}`, {
        cause: this.#error ?? err,
      });
    }
  }
}
