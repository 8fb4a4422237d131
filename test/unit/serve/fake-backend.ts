import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { FCGI_PARAMS, FCGI_STDERR, FCGI_STDIN, FCGI_STDOUT } from '../../../src/fastcgi/constants.js';
import { RecordDecoder } from '../../../src/fastcgi/decode.js';
import { encodeEndRequest, encodeStream } from '../../../src/fastcgi/encode.js';
import { decodeParams, paramsByName } from '../../../src/fastcgi/params.js';

/** One request as a FastCGI application sees it. */
export class Exchange {
  params = new Map<string, string>();
  /** The request body; read no faster than it is taken. */
  readonly stdin = new PassThrough();
  readonly socket: Socket;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** @returns when the other side takes more */
  async stdout(bytes: Uint8Array | string): Promise<void> {
    await this.#write(FCGI_STDOUT, bytes);
  }

  async stderr(bytes: Uint8Array | string): Promise<void> {
    await this.#write(FCGI_STDERR, bytes);
  }

  end(): void {
    this.socket.end(encodeEndRequest(1));
  }

  async readBody(): Promise<Buffer> {
    return Buffer.concat(await this.stdin.toArray());
  }

  async #write(type: number, bytes: Uint8Array | string): Promise<void> {
    let flows = true;
    for (const piece of encodeStream(type, 1, Buffer.from(bytes))) flows = this.socket.write(piece);
    if (!flows) await once(this.socket, 'drain');
  }
}

/** A FastCGI application on a unix socket, made of a function. @returns what stops it */
export async function startFakeBackend(
  path: string,
  handle: (exchange: Exchange) => Promise<void> | void,
): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // a client that leaves is part of the tests
    // A handler whose client leaves in the middle fails; the test looks at the client.
    readRequest(socket, handle).catch(() => socket.destroy());
  });
  server.listen(path);
  await once(server, 'listening');
  return async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
}

async function readRequest(
  socket: Socket,
  handle: (exchange: Exchange) => Promise<void> | void,
): Promise<void> {
  const exchange = new Exchange(socket);
  const decoder = new RecordDecoder();
  const params: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    for (const { type, content } of decoder.push(chunk)) {
      if (type === FCGI_PARAMS && content.length > 0) {
        params.push(content);
      } else if (type === FCGI_PARAMS) {
        exchange.params = paramsByName(decodeParams(Buffer.concat(params)));
        Promise.resolve(handle(exchange)).catch(() => socket.destroy());
      } else if (type === FCGI_STDIN && content.length === 0) {
        exchange.stdin.end();
      } else if (type === FCGI_STDIN && !exchange.stdin.write(content)) {
        await once(exchange.stdin, 'drain');
      }
    }
  }
}
