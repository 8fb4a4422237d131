import { createServer, type Server, type Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import { FCGI_STDOUT } from '../fastcgi/constants.js';
import { encodeEndRequest, encodeStream } from '../fastcgi/encode.js';
import { type RequestHead, RequestReader } from '../fastcgi/request-reader.js';
import type { ListenSocket } from '../listen/bind.js';
import { ConnectionLimit } from '../listen/connection-limit.js';
import { duplicateDescriptor } from '../os/descriptor.js';
import type { Pool } from '../pool/pool.js';
import { encodeCgiPage, type Page, pingPage } from '../status/page.js';
import type { Count, Milliseconds } from '../units.js';
import { pageSettings } from './answers.js';
import { statusAnswer } from './status-answer.js';

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

function answer(client: Socket, { id, keepsConnection, params }: RequestHead, pool: Pool): void {
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
