import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Readable, Writable } from 'node:stream';
import { ProtocolError } from '../errors.js';
import {
  FCGI_END_REQUEST,
  FCGI_REQUEST_COMPLETE,
  FCGI_RESPONDER,
  FCGI_STDERR,
  FCGI_STDIN,
  FCGI_STDOUT,
  protocolStatusName,
} from '../fastcgi/constants.js';
import { decodeEndRequest, RecordDecoder } from '../fastcgi/decode.js';
import {
  encodeBeginRequest,
  encodeParams,
  encodeStream,
  encodeStreamEnd,
  type ParamInput,
} from '../fastcgi/encode.js';
import { ResponseParser } from '../fastcgi/response.js';
import { ResponseWriter } from './response-writer.js';

/** Where the pool listens. */
export type Backend = { readonly path: string } | { readonly host: string; readonly port: number };

/** One request for PHP. */
export interface Relay {
  readonly backend: Backend;
  readonly params: readonly ParamInput[];
  readonly body: Readable | Buffer | undefined;
  readonly response: ServerResponse;
  /** Takes PHP's error messages as they come, cut anywhere. */
  readonly onStderr: (bytes: Buffer) => void;
}

/** Each connection has one request only, so any id will do. */
const REQUEST_ID = 1;

/**
 * Sends a request to a FastCGI backend and streams the answer to the client. Both directions wait for the slower
 * side, and either may end first. When the client goes away, so does the connection to the backend.
 *
 * @throws ProtocolError or Node's own error where the backend fails, or the client goes away; the response may have
 *   begun (`headersSent`)
 */
export async function relay({ backend, params, body, response, onStderr }: Relay): Promise<void> {
  const start = [
    encodeBeginRequest(REQUEST_ID, { role: FCGI_RESPONDER, flags: 0 }),
    encodeParams(REQUEST_ID, params),
  ];
  const clientGone = new AbortController();
  const abort = (): void => clientGone.abort();
  response.once('close', abort);
  if (response.closed) abort();
  const socket = connect({ ...backend, signal: clientGone.signal });
  // Errors reach whoever waits for the socket; this listener keeps one that nobody waits for from ending the process.
  socket.on('error', () => {});
  try {
    await once(socket, 'connect');
    socket.write(Buffer.concat(start));
    const stopSending = sendBody(socket, body);
    try {
      await receiveResponse(socket, new ResponseWriter(response), onStderr);
    } finally {
      stopSending();
    }
  } finally {
    response.off('close', abort);
    socket.destroy();
  }
}

/** Starts to send the body. @returns what stops it; the rest of a stream is then read and dropped */
function sendBody(socket: Socket, body: Readable | Buffer | undefined): () => void {
  const stdin = new StdinStream(socket);
  if (body === undefined || Buffer.isBuffer(body)) {
    stdin.end(body);
    return () => stdin.destroy();
  }
  body.pipe(stdin);
  return () => {
    body.unpipe(stdin);
    stdin.destroy();
    body.resume();
  };
}

/** The STDIN stream of the request; takes no more than the socket does. Failures show on the socket. */
class StdinStream extends Writable {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let flows = true;
    this.#socket.cork();
    for (const piece of encodeStream(FCGI_STDIN, REQUEST_ID, chunk)) flows = this.#socket.write(piece);
    this.#socket.uncork();
    if (flows) {
      done();
    } else {
      this.#socket.once('drain', done);
    }
  }

  override _final(done: () => void): void {
    this.#socket.write(encodeStreamEnd(FCGI_STDIN, REQUEST_ID));
    done();
  }
}

async function receiveResponse(
  socket: Socket,
  writer: ResponseWriter,
  onStderr: (bytes: Buffer) => void,
): Promise<void> {
  const decoder = new RecordDecoder();
  const parser = new ResponseParser();
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    for (const { type, requestId, content } of decoder.push(chunk)) {
      if (requestId !== REQUEST_ID) {
        throw new ProtocolError(`an answer to request ${requestId}, which was not sent`);
      }
      if (type === FCGI_STDOUT) {
        const body = parser.push(content);
        if (parser.head !== undefined) await writer.write(parser.head, body);
      } else if (type === FCGI_STDERR) {
        onStderr(content);
      } else if (type === FCGI_END_REQUEST) {
        requireComplete(content);
        writer.end(parser.end());
        return;
      }
      // Other types have no meaning here, and the specification wants unknown ones ignored.
    }
  }
  throw new ProtocolError(
    parser.head === undefined
      ? 'the connection was closed before the response header was whole'
      : 'the connection was closed before the end of the response',
  );
}

function requireComplete(content: Buffer): void {
  const { protocolStatus } = decodeEndRequest(content);
  if (protocolStatus !== FCGI_REQUEST_COMPLETE) {
    throw new ProtocolError(`the request was refused with ${protocolStatusName(protocolStatus)}`);
  }
}
