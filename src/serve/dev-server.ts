import { realpath, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { ProtocolError, SystemError, unreachable } from '../errors.js';
import { escapedLine } from '../text/harmless.js';
import type { Bytes } from '../units.js';
import { cgiParams } from './cgi-params.js';
import { sendErrorPage } from './error-page.js';
import { locate, type Target } from './locate.js';
import { type Backend, relay } from './relay.js';
import { openRequestBody } from './request-body.js';
import { sendFile } from './static-file.js';
import { StderrLines } from './stderr-lines.js';

export type { Backend } from './relay.js';

export interface DevServerOptions {
  /** Folder that is served; no file outside it is. */
  readonly docroot: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Socket of the pool that runs `.php` files. */
  readonly backend: Backend;
  /** Gets a line for each request, and the lines that PHP writes to its error stream. */
  readonly log: (line: string) => void;
  /** Called once the server listens. */
  readonly onReady?: (url: string) => void;
  /** Largest request body of unknown length (chunked), held in memory; default 16 MiB. Known lengths have no limit. */
  readonly maxUnsizedBodyBytes?: Bytes;
}

export interface DevServer {
  /** `http://127.0.0.1:8080/` */
  readonly url: string;
  /** Ends all connections; resolves when the port is free. */
  close(): Promise<void>;
}

const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_MAX_UNSIZED_BODY_BYTES: Bytes = 16 * 1024 * 1024;
/** Logged for a client that left before its answer, as nginx does; never sent. */
const STATUS_CLIENT_CLOSED_REQUEST = 499;

/**
 * A small HTTP server in front of a pool: static files, PHP by FastCGI. For development only: no TLS, no cache, no
 * protection against hostile clients. For production use nginx.
 *
 * @throws SystemError, or Node's own of that shape: no such folder (ENOENT, ENOTDIR), port taken (EADDRINUSE)
 */
export async function startDevServer(options: DevServerOptions): Promise<DevServer> {
  const root = await realpath(options.docroot);
  if (!(await stat(root)).isDirectory()) {
    throw new SystemError({
      code: 'ENOTDIR',
      errno: constants.errno.ENOTDIR,
      syscall: 'stat',
      path: options.docroot,
      reason: 'Not a directory',
    });
  }
  const host = options.host ?? DEFAULT_HOST;
  const server = createServer((request, response) => {
    void serve(request, response, { ...options, root, host });
  });
  // A large upload may take longer than Node's five minutes.
  server.requestTimeout = 0;
  const url = await listen(server, host, options.port);
  options.onReady?.(url);
  return { url, close: () => close(server) };
}

interface Context extends DevServerOptions {
  readonly root: string;
  readonly host: string;
}

/** Never rejects: a failure is answered with an error page or a closed connection, and logged. */
async function serve(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const startedMs = performance.now();
  let hasFailed = false;
  response.once('close', () => {
    const isAnswered = response.writableFinished || hasFailed;
    const status = isAnswered ? response.statusCode : STATUS_CLIENT_CLOSED_REQUEST;
    const ms = Math.round(performance.now() - startedMs);
    context.log(`${request.method} ${escapedLine(request.url ?? '')} ${status} ${ms} ms`);
  });
  try {
    await answer(request, response, await locate(context.root, pathOf(request)), context);
  } catch (err) {
    // If the client has closed the connection, the failure is only a consequence of that.
    hasFailed = !request.socket.destroyed;
    if (hasFailed) fail(response, err as Error, context);
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  target: Target,
  context: Context,
): Promise<void> {
  switch (target.kind) {
    case 'file':
      await sendFile(request, response, target.path);
      return;
    case 'script':
      await runScript(request, response, target, context);
      return;
    case 'redirect':
      sendErrorPage(response, 301, 'This folder is found with a slash at its end.', {
        Location: target.location + queryOf(request),
      });
      return;
    case 'malformed':
      sendErrorPage(response, 400, 'The address holds a percent sign that encodes nothing.');
      return;
    case 'missing':
      sendErrorPage(response, 404, `There is no ${escapedLine(pathOf(request))} here.`);
      return;
    default:
      unreachable(target);
  }
}

async function runScript(
  request: IncomingMessage,
  response: ServerResponse,
  { scriptName, pathInfo }: Extract<Target, { kind: 'script' }>,
  context: Context,
): Promise<void> {
  const { root, host, backend, maxUnsizedBodyBytes = DEFAULT_MAX_UNSIZED_BODY_BYTES } = context;
  const body = await openRequestBody(request, maxUnsizedBodyBytes);
  if (body === 'too-large') {
    const sentence = `A body above ${maxUnsizedBodyBytes} bytes must be sent with a Content-Length.`;
    sendErrorPage(response, 411, sentence);
    request.resume();
    return;
  }
  const stderr = new StderrLines(context.log);
  try {
    await relay({
      backend,
      params: cgiParams(request, {
        root,
        scriptName,
        pathInfo,
        contentLength: body.length,
        serverName: host,
      }),
      body: body.source,
      response,
      onStderr: (bytes) => stderr.push(bytes),
    });
  } catch (err) {
    throw new BackendFailure(describeFailure(backend, err as Error), { cause: err });
  } finally {
    stderr.end();
  }
}

/** PHP did not answer; the message is for the page and the log. */
class BackendFailure extends Error {}

function describeFailure(backend: Backend, err: Error): string {
  const where = 'path' in backend ? backend.path : `${backend.host}:${backend.port}`;
  if (err instanceof ProtocolError) {
    return `PHP at ${where} gave no usable answer: ${err.message}.`;
  }
  return (err as NodeJS.ErrnoException).syscall === 'connect'
    ? `PHP at ${where} cannot be reached: ${err.message}. Is the pool running?`
    : `The connection to PHP at ${where} failed: ${err.message}.`;
}

function fail(response: ServerResponse, err: Error, { log }: Context): void {
  log(escapedLine(err.message));
  if (response.headersSent) {
    // It is too late for another status: only a closed connection can tell the client that the answer is not whole.
    response.destroy();
  } else if (err instanceof BackendFailure) {
    sendErrorPage(response, 502, err.message);
  } else {
    sendErrorPage(response, 500, 'The file cannot be read.');
  }
}

/** The path in the request line, also if that has a whole URL (RFC 9112 section 3.2.2). */
function pathOf({ url = '/' }: IncomingMessage): string {
  const path = url.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0];
  return path || '/';
}

function queryOf({ url = '' }: IncomingMessage): string {
  const mark = url.indexOf('?');
  return mark === -1 ? '' : url.slice(mark);
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${address.port}/`;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
