import { connect, type Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import { asSystemError } from '../os/libc.js';
import { descriptorOf, type PeerCredentials, peerCredentials } from '../os/peer-credentials.js';
import type { Milliseconds } from '../units.js';
import {
  type ControlRequest,
  decodeMessage,
  encodeRequest,
  LineReader,
  MOST_MESSAGE_BYTES,
} from './protocol.js';
import type { ControlResult, Tell } from './target.js';

export interface AskOptions {
  /** Path of the control socket. */
  readonly path: string;
  readonly request: ControlRequest;
  /** Called for each line that comes before the result. */
  readonly tell: Tell;
  /** Longest time until the result; undefined waits for ever. */
  readonly timeoutMs?: Milliseconds | undefined;
  /** Uid of the caller, which trusts only a master of root or of its own user. Default: this process's. */
  readonly ownUid?: number;
}

/** What came of asking; a command that was answered may still have failed. */
export type Answer =
  | { readonly kind: 'answered'; readonly result: ControlResult; readonly master: PeerCredentials }
  /** No master could be asked. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  /** The connection ended before the result. */
  | { readonly kind: 'lost'; readonly reason: string; readonly master: PeerCredentials }
  | { readonly kind: 'timeout'; readonly master: PeerCredentials | undefined };

const ROOT = 0;

/**
 * Sends a command to the master behind a control socket, and waits for its result. Never rejects, whatever the peer
 * does.
 */
export function askMaster({
  path,
  request,
  tell,
  timeoutMs,
  ownUid = process.geteuid?.() ?? ROOT,
}: AskOptions): Promise<Answer> {
  const socket = connect(path);
  let master: PeerCredentials | undefined;
  return new Promise((resolve) => {
    const timer =
      timeoutMs === undefined ? undefined : setTimeout(() => settle({ kind: 'timeout', master }), timeoutMs);
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      resolve(answer);
      socket.destroy();
    };
    const lose = (reason: string): void =>
      settle(master === undefined ? { kind: 'unavailable', reason } : { kind: 'lost', reason, master });
    socket.on('error', (error) => lose(asSystemError(error).reason));
    socket.once('close', () => lose('the connection ended'));
    socket.once('connect', () => {
      const peer = serverOf(socket);
      if (peer === undefined || (peer.uid !== ROOT && peer.uid !== ownUid)) {
        lose(`uid ${peer?.uid} listens there, neither root nor you`);
        return;
      }
      master = peer;
      socket.write(encodeRequest(request));
      listenTo(socket, tell, (result) => settle({ kind: 'answered', result, master: peer }), lose);
    });
  });
}

function serverOf(socket: Socket): PeerCredentials | undefined {
  const fd = descriptorOf(socket);
  return fd === undefined ? undefined : peerCredentials(fd);
}

function listenTo(
  socket: Socket,
  tell: Tell,
  onResult: (result: ControlResult) => void,
  lose: (reason: string) => void,
): void {
  const reader = new LineReader(MOST_MESSAGE_BYTES);
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const line of reader.push(chunk)) {
        const message = decodeMessage(line);
        if ('result' in message) {
          onResult(message.result);
          return;
        }
        tell(message.line);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      lose(`it does not speak as a master does: ${error.message}`);
    }
  });
}
