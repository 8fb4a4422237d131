import type { Socket } from 'node:net';
import { EXIT_SOFTWARE, EXIT_USAGE, errorText, ProtocolError, unreachable } from '../errors.js';
import type { Logger } from '../log/levels.js';
import type { PeerCredentials } from '../os/peer-credentials.js';
import type { Bytes, Milliseconds } from '../units.js';
import {
  type ControlMessage,
  type ControlRequest,
  decodeRequest,
  encodeMessage,
  LineReader,
  MOST_REQUEST_BYTES,
} from './protocol.js';
import type { ControlResult, ControlTarget, Tell } from './target.js';

export interface ConversationLimits {
  /** How long a peer may take to send its request. Default 5 s. */
  readonly requestTimeoutMs?: Milliseconds;
  /** How long a peer may take to read the end of its answer. Default 10 s. */
  readonly answerTimeoutMs?: Milliseconds;
  /**
   * How much of an answer may wait for a peer that does not take it; above it the connection is closed. Default 1
   * MiB.
   */
  readonly maxPendingBytes?: Bytes;
}

export interface ConversationParts {
  readonly socket: Socket;
  /** Checked already: it may give commands. */
  readonly peer: PeerCredentials;
  readonly target: ControlTarget;
  readonly log: Logger;
  readonly limits: ConversationLimits;
}

const REQUEST_TIMEOUT_MS: Milliseconds = 5000;
const ANSWER_TIMEOUT_MS: Milliseconds = 10_000;
/** Verbs that only read: logged at debug level. */
const READING_VERBS: readonly string[] = ['status', 'live', 'upgraded'];
const MAX_PENDING_BYTES = 1024 * 1024;

/**
 * One connection of one peer: one request and its answer. A command that has begun goes on if its peer disconnects: a
 * reload is not undone because somebody pressed Ctrl-C.
 */
export class Conversation {
  readonly #parts: ConversationParts;
  readonly #reader = new LineReader(MOST_REQUEST_BYTES);
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  #timer: NodeJS.Timeout;
  #isAsked = false;

  constructor(parts: ConversationParts) {
    this.#parts = parts;
    const { socket, limits } = parts;
    this.#timer = setTimeout(() => this.abort(), limits.requestTimeoutMs ?? REQUEST_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(this.#timer));
    socket.on('data', this.#onData);
    // A peer may end its direction and wait for the answer; one that has sent no request waits for none.
    socket.once('end', () => {
      if (!this.#isAsked) this.abort();
    });
  }

  /** Closes the connection now. */
  abort(): void {
    this.#parts.socket.destroy();
  }

  /** Closes the connection now if no request has come, otherwise after its answer. */
  closeSoon(): void {
    if (!this.#isAsked) this.abort();
  }

  #take(chunk: Buffer): void {
    try {
      const [line] = this.#reader.push(chunk);
      if (line === undefined) return;
      this.#stopReading();
      const request = decodeRequest(line);
      void this.#perform(request);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#stopReading();
      this.#parts.log.warning(`control: bad request of pid ${this.#parts.peer.pid}: ${error.message}`);
      this.#end({ ok: false, exitCode: EXIT_USAGE, lines: [`not understood: ${error.message}`] });
    }
  }

  /** Whatever else the peer sends stays in the kernel's buffer. */
  #stopReading(): void {
    const { socket } = this.#parts;
    this.#isAsked = true;
    clearTimeout(this.#timer);
    socket.off('data', this.#onData);
    socket.pause();
  }

  async #perform(request: ControlRequest): Promise<void> {
    const { log, peer, target } = this.#parts;
    const what = 'kind' in request ? `${request.verb} (${request.kind})` : request.verb;
    const isReading = READING_VERBS.includes(request.verb);
    log[isReading ? 'debug' : 'notice'](`control: ${what} asked for by uid ${peer.uid}, pid ${peer.pid}`);
    try {
      const isWanted = () => !this.#parts.socket.destroyed;
      this.#end(await perform(request, target, (line) => this.#send({ line }), isWanted));
    } catch (error) {
      const reason = errorText(error);
      log.error(`control: ${what} failed: ${reason}`);
      this.#end({ ok: false, exitCode: EXIT_SOFTWARE, lines: [`${what} failed: ${reason}`] });
    }
  }

  #send(message: ControlMessage): void {
    const { socket, limits } = this.#parts;
    if (!socket.writable) return;
    socket.write(encodeMessage(message));
    if ('line' in message && socket.writableLength > (limits.maxPendingBytes ?? MAX_PENDING_BYTES))
      this.abort();
  }

  #end(result: ControlResult): void {
    const { socket, limits } = this.#parts;
    if (socket.destroyed) return;
    this.#send({ result });
    this.#timer = setTimeout(() => this.abort(), limits.answerTimeoutMs ?? ANSWER_TIMEOUT_MS);
    // A unix socket that is closed with unread data loses its answer too: read to the end, and let the peer close
    // first.
    socket.resume();
    socket.end();
  }
}

async function perform(
  request: ControlRequest,
  target: ControlTarget,
  tell: Tell,
  isWanted: () => boolean,
): Promise<ControlResult> {
  switch (request.verb) {
    case 'status':
      return { ok: true, exitCode: 0, lines: [], data: await target.status() };
    case 'live':
      return { ok: true, exitCode: 0, lines: [], data: await target.live() };
    case 'reload':
      return target.reload(tell);
    case 'reopen':
      return target.reopen();
    case 'stop':
      return target.stop(request.kind);
    case 'upgrade':
      return target.upgrade(tell);
    case 'trace':
      return target.trace(request, tell, isWanted);
    case 'upgraded':
      return target.upgraded();
    case 'test':
      return target.test();
    default:
      return unreachable(request);
  }
}
