import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import { type RequestHead, RequestReader } from '../fastcgi/request-reader.js';
import { ConnectionLimit } from '../listen/connection-limit.js';
import type { AcceptedClient } from '../os/accept.js';
import { hasClientLeft } from '../os/poll.js';
import type { Bytes, Count, Milliseconds } from '../units.js';
import { wholeAnswer } from './refusal.js';

/**
 * At once, over all pools: they must not use up the master's descriptors. Where one more comes, the one that has been
 * silent for longest is closed.
 */
const MOST_CONNECTIONS: Count = 256;
/** For the head of a request that should have been there for long. */
const HEAD_PATIENCE_MS: Milliseconds = 500;
/** A client that still sends its request may lose the answer if the connection is closed: how long, and how much. */
const DRAIN_MS: Milliseconds = 2000;
const DRAIN_BYTES: Bytes = 16 * 1024 * 1024;

const connections = new ConnectionLimit(MOST_CONNECTIONS);

/** What depends on the pool. */
export interface TurnAwayParts {
  /** The CGI answer, asked for once; undefined: the parameters have not come in time. */
  readonly pageFor: (request: RequestHead | undefined) => Uint8Array;
  /** Instead: the client had left, or never sent a request. */
  readonly onGone: () => void;
}

/**
 * Answers a client's first request, without reading more than its head, and closes the connection, whatever it was to
 * be kept for.
 *
 * @param client its descriptor is taken over
 */
export function turnAway({ fd, address }: AcceptedClient, parts: TurnAwayParts): void {
  const socket = hasClientLeft(fd, address?.family === 'unix') ? undefined : socketOf(fd);
  if (socket === undefined) {
    closeSync(fd);
    parts.onGone();
    return;
  }
  connections.admit(socket);
  new TurnedAwayClient(socket, parts).start();
}

/** @returns undefined where the machine is short of something */
function socketOf(fd: number): Socket | undefined {
  try {
    return new Socket({ fd, allowHalfOpen: true, readable: true, writable: true });
  } catch {
    return undefined; // for the client it is as if the connection had failed
  }
}

/** One such client, until its connection is closed. */
class TurnedAwayClient {
  readonly #socket: Socket;
  readonly #parts: TurnAwayParts;
  readonly #reader = new RequestReader((request) => this.#answer(request.id, request));
  #isAnswered = false;
  #drained: Bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Socket, parts: TurnAwayParts) {
    this.#socket = socket;
    this.#parts = parts;
  }

  start(): void {
    this.#inTime(HEAD_PATIENCE_MS, () => this.#answerAnyway());
    this.#socket
      .on('data', (chunk: Buffer) => this.#take(chunk))
      .on('end', () => this.#answerAnyway())
      .on('error', () => this.#socket.destroy())
      .once('close', () => {
        clearTimeout(this.#timer);
        if (!this.#isAnswered) this.#parts.onGone();
      });
  }

  #take(chunk: Buffer): void {
    if (this.#isAnswered) {
      this.#drained += chunk.length;
      if (this.#drained > DRAIN_BYTES) this.#socket.destroy();
      return;
    }
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#socket.destroy();
    }
  }

  /** The head is not whole, and no more of it comes; for an answer the number of the request is enough. */
  #answerAnyway(): void {
    if (this.#isAnswered) return;
    const { pendingId } = this.#reader;
    if (pendingId === undefined) this.#socket.destroy();
    else this.#answer(pendingId, undefined);
  }

  #answer(id: number, request: RequestHead | undefined): void {
    if (this.#isAnswered) return; // a second request behind the first
    this.#isAnswered = true;
    connections.hasAsked(this.#socket);
    this.#socket.end(wholeAnswer(id, this.#parts.pageFor(request)));
    this.#inTime(DRAIN_MS, () => this.#socket.destroy());
  }

  #inTime(delayMs: Milliseconds, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, delayMs).unref();
  }
}
