import { createServer, type Server, type Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import { FCGI_BEGIN_REQUEST, FCGI_PARAMS, FCGI_STDOUT } from '../fastcgi/constants.js';
import { decodeBeginRequest, type FcgiRecord, RecordDecoder } from '../fastcgi/decode.js';
import { encodeEndRequest, encodeStream } from '../fastcgi/encode.js';
import { decodeParams, paramsByName } from '../fastcgi/params.js';
import type { ListenSocket } from '../listen/bind.js';
import { ConnectionLimit } from '../listen/connection-limit.js';
import { duplicateDescriptor } from '../os/descriptor.js';
import type { Pool } from '../pool/pool.js';
import { encodeCgiPage, type Page, pingPage } from '../status/page.js';
import type { Bytes, Count, Milliseconds } from '../units.js';
import { pageSettings } from './answers.js';
import { statusAnswer } from './status-answer.js';

const MOST_PARAMS: Bytes = 64 * 1024;
/** Where one more connects, the connection that has been silent for longest is closed. */
const MOST_CONNECTIONS: Count = 256;
/** For a client that sends nothing: connections kept by a web server outlive the time between two scrapes. */
const SILENCE_MS: Milliseconds = 60_000;

/**
 * `pm.status_listen`: the master answers here by itself, so the page comes also while every worker is busy. Only the
 * status and ping pages; php-fpm would run any script here, with other settings than the pool's.
 */
export class StatusListener {
  readonly #server: Server;
  readonly #connections = new ConnectionLimit(MOST_CONNECTIONS);

  /**
   * @param socket stays the caller's to close
   * @param onFailure told later, where nobody will be served here
   * @throws SystemError EMFILE
   */
  constructor(pool: Pool, socket: ListenSocket, onFailure: (error: Error) => void) {
    this.#server = createServer((client) => this.#serve(client, pool));
    this.#server.on('error', (error) => {
      // While the server listens, only one connection could not be accepted, and the next is tried.
      if (!this.#server.listening) onFailure(error);
    });
    // Node closes the descriptor that it is given.
    this.#server.listen({ fd: duplicateDescriptor(socket.fd) });
  }

  /** Ends every connection. */
  close(): void {
    this.#connections.destroyAll();
    this.#server.close();
  }

  #serve(client: Socket, pool: Pool): void {
    this.#connections.admit(client);
    const requests = new RequestReader((request) => {
      this.#connections.hasAsked(client);
      answer(client, request, pool);
    });
    client.setTimeout(SILENCE_MS, () => client.destroy());
    client.on('error', () => client.destroy());
    client.on('data', (chunk: Buffer) => {
      try {
        requests.push(chunk);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        client.destroy();
      }
    });
  }
}

interface StatusRequest {
  readonly id: number;
  readonly keepsConnection: boolean;
  readonly params: ReadonlyMap<string, string>;
}

/** Cuts a client's stream into requests; their bodies are of no interest. */
class RequestReader {
  readonly #decoder = new RecordDecoder();
  readonly #onRequest: (request: StatusRequest) => void;
  #id: number | undefined;
  #keepsConnection = false;
  #params: Buffer[] = [];
  #paramsLength: Bytes = 0;

  constructor(onRequest: (request: StatusRequest) => void) {
    this.#onRequest = onRequest;
  }

  /** @throws ProtocolError */
  push(chunk: Buffer): void {
    for (const record of this.#decoder.push(chunk)) this.#onRecord(record);
  }

  #onRecord({ type, requestId, content }: FcgiRecord): void {
    if (type === FCGI_BEGIN_REQUEST) {
      this.#id = requestId;
      this.#keepsConnection = decodeBeginRequest(content).keepsConnection;
      this.#params = [];
      this.#paramsLength = 0;
    } else if (type === FCGI_PARAMS && this.#id === requestId) {
      this.#onParams(requestId, content);
    }
  }

  #onParams(id: number, content: Buffer): void {
    if (content.length > 0) {
      this.#paramsLength += content.length;
      if (this.#paramsLength > MOST_PARAMS)
        throw new ProtocolError(`more than ${MOST_PARAMS} bytes of parameters`);
      this.#params.push(Buffer.from(content));
      return;
    }
    this.#id = undefined;
    const params = paramsByName(decodeParams(Buffer.concat(this.#params)), 'latin1');
    this.#onRequest({ id, keepsConnection: this.#keepsConnection, params });
  }
}

function answer(client: Socket, { id, keepsConnection, params }: StatusRequest, pool: Pool): void {
  const page = encodeCgiPage(pageFor(params, pool));
  client.cork();
  for (const piece of encodeStream(FCGI_STDOUT, id, page)) client.write(piece);
  client.write(encodeEndRequest(id));
  client.uncork();
  if (!keepsConnection) client.end();
}

function pageFor(params: ReadonlyMap<string, string>, pool: Pool): Page {
  const { config, generation } = pool;
  const settings = generation === undefined ? {} : pageSettings(generation);
  const method = params.get('REQUEST_METHOD') ?? 'GET';
  const path = params.get('SCRIPT_NAME');
  if (path !== undefined && path === config.pingPath)
    return pingPage(config.pingResponse ?? 'pong', { method }, settings);
  if (path !== undefined && path === config.pmStatusPath)
    return statusAnswer(
      pool,
      { method, query: Buffer.from(params.get('QUERY_STRING') ?? '', 'latin1') },
      settings,
    );
  return {
    status: 404,
    headers: [['Content-type', 'text/html; charset=UTF-8']],
    body: method === 'HEAD' ? '' : 'File not found.\n',
  };
}
