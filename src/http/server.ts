import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { bindListenSocket } from '../listen/bind.js';
import { ConnectionLimit } from '../listen/connection-limit.js';
import { removeSocketFile } from '../listen/socket-file.js';
import type { Logger } from '../log/levels.js';
import { socketAddressText } from '../os/socket-address.js';
import type { Bytes, Count, Milliseconds } from '../units.js';
import { answer, type HttpAnswer, plain } from './answer.js';
import { gzipped } from './compress.js';
import { hostRefusal } from './hosts.js';
import type { HttpSource } from './source.js';

export interface HttpServerLimits {
  /** Connections at once; above that, a new one takes the place of the one that is silent longest. Default 64. */
  readonly maxConnections?: Count;
  /** Most bytes of request line and headers. Default 8 KiB. */
  readonly maxHeaderBytes?: Bytes;
  /** Longest time from the first byte of a request to its last. Default 5 s. */
  readonly requestTimeoutMs?: Milliseconds;
  /** How long a client may take to read its answer. Default 10 s. */
  readonly answerTimeoutMs?: Milliseconds;
  /** How long a connection may be idle. Default 15 s: a scraper that asks more often keeps its connection. */
  readonly idleTimeoutMs?: Milliseconds;
}

export interface HttpServerOptions {
  /** `host:port`, `port`, `[v6]:port` or the path of a unix socket, which gets mode 0660: the forms of `listen`. */
  readonly listen: string;
  /** `http.hosts`: names that a request may use. Default none; see {@link hostRefusal}. */
  readonly hosts?: readonly string[];
  readonly source: HttpSource;
  readonly log: Logger;
  readonly limits?: HttpServerLimits;
}

export interface HttpServer {
  /** Where it listens: `127.0.0.1:9100`, or a path. */
  readonly address: string;
  /** Replaces {@link HttpServerOptions.hosts}. */
  setHosts(hosts: readonly string[]): void;
  /** Stops listening and closes idle connections at once; connections with an answer under way a moment later. */
  close(): Promise<void>;
}

const SOCKET_MODE = 0o660;
const BACKLOG: Count = 128;
const REQUESTS_PER_CONNECTION: Count = 1000;
const CHECK_EVERY_MS: Milliseconds = 1000;
const CLOSE_PATIENCE_MS: Milliseconds = 1000;
/** How long the master works at a page at a time. */
const TURN_MS: Milliseconds = 5;

/**
 * Starts the HTTP server for machines: /metrics, /status, /health and /ready.
 *
 * @throws ListenError the address cannot be had; its message is complete
 */
export async function startHttpServer({
  listen,
  hosts = [],
  source,
  log,
  limits = {},
}: HttpServerOptions): Promise<HttpServer> {
  const socket = bindListenSocket({ pool: 'http', listen, backlog: BACKLOG, mode: SOCKET_MODE }, { log });
  let allowed = hosts;
  const server = boundServer(limits, (request, response) =>
    serve({ source, log, limits, hosts: allowed }, request, response),
  );
  server.on('error', (error) => log.error(`http.listen: ${error.message}`));
  server.listen({ fd: socket.fd });
  await once(server, 'listening');
  let closing: Promise<void> | undefined;
  return {
    address: socketAddressText(socket.address),
    setHosts(names) {
      allowed = names;
    },
    close() {
      closing ??= closeServer(server).finally(() => {
        // The server has closed the descriptor itself.
        if (socket.file !== undefined) removeSocketFile(socket.file);
      });
      return closing;
    },
  };
}

/** Sets the limits of what clients can use, however slow or many they are. */
function boundServer(
  {
    maxConnections = 64,
    maxHeaderBytes = 8192,
    requestTimeoutMs = 5000,
    idleTimeoutMs = 15_000,
  }: HttpServerLimits,
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const connections = new ConnectionLimit(maxConnections);
  const server = createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: idleTimeoutMs,
      connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, requestTimeoutMs),
    },
    (request, response) => {
      connections.hasAsked(request.socket);
      listener(request, response);
    },
  );
  server.on('connection', (socket) => connections.admit(socket));
  server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
  // Also closes a new connection that sends nothing at all.
  server.setTimeout(idleTimeoutMs);
  return server;
}

async function serve(
  { source, log, limits, hosts }: Required<Pick<HttpServerOptions, 'source' | 'log' | 'limits' | 'hosts'>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refusal = hostRefusal(
    { host: request.headers.host, localAddress: request.socket.localAddress },
    hosts,
  );
  const { status, headers, body } =
    refusal === undefined
      ? await answerOrFailure(source, request, log)
      : await wholeAnswer(plain(421, refusal));
  const small = await gzipped(body, request.headers['accept-encoding']);
  const sent = small ?? body;
  // A body is not used: instead of reading it to its end, the connection is closed after the answer.
  const hasBody = request.headers['transfer-encoding'] !== undefined || hasLength(request);
  response.writeHead(status, {
    ...headers,
    ...(small === undefined ? {} : { 'Content-Encoding': 'gzip' }),
    'Content-Length': sent.length,
    ...(hasBody ? { Connection: 'close' } : {}),
  });
  endInTime(response, limits.answerTimeoutMs);
  response.end(sent);
}

function hasLength(request: IncomingMessage): boolean {
  return (request.headers['content-length'] ?? '0') !== '0';
}

type WholeAnswer = Omit<HttpAnswer, 'body'> & { readonly body: Buffer };

/** Between the pieces of a long body the master deals with signals, workers and other clients. */
async function wholeAnswer(given: HttpAnswer): Promise<WholeAnswer> {
  if (typeof given.body === 'string') return { ...given, body: Buffer.from(given.body) };
  const pieces: Buffer[] = [];
  let turnEndsAtMs = performance.now() + TURN_MS;
  for (const piece of given.body) {
    pieces.push(Buffer.from(piece));
    if (performance.now() < turnEndsAtMs) continue;
    await nextTurn();
    turnEndsAtMs = performance.now() + TURN_MS;
  }
  return { ...given, body: Buffer.concat(pieces) };
}

/** A page that cannot be made must not end the master. */
async function answerOrFailure(
  source: HttpSource,
  request: IncomingMessage,
  log: Logger,
): Promise<WholeAnswer> {
  const { method = '', url: target = '', headers } = request;
  try {
    return await wholeAnswer(answer(source, { method, target, accept: headers.accept }));
  } catch (error) {
    log.error(`http.listen: no answer to ${method} ${JSON.stringify(target)}: ${String(error)}`);
    return wholeAnswer(plain(500, 'Internal error. Please review log file for errors.'));
  }
}

/**
 * Closes the connection of a client that reads its answer byte by byte: the idle timer does not, as long as data
 * flows.
 */
function endInTime(response: ServerResponse, answerTimeoutMs: Milliseconds = 10_000): void {
  const timer = setTimeout(() => response.socket?.destroy(), answerTimeoutMs);
  timer.unref();
  response.once('close', () => clearTimeout(timer));
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_PATIENCE_MS);
  await closed;
  clearTimeout(timer);
}
