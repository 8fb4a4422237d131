import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { removeSocketFile } from '../listen/socket-file.js';
import type { Logger } from '../log/levels.js';
import { descriptorOf, type PeerCredentials, peerCredentials } from '../os/peer-credentials.js';
import type { Count, Milliseconds } from '../units.js';
import { bindControlSocket } from './bind.js';
import { Conversation, type ConversationLimits } from './conversation.js';
import type { ControlTarget } from './target.js';

export interface ControlServerLimits extends ConversationLimits {
  /** Most connections at a time; more are closed when they come. Default 16. */
  readonly maxConnections?: Count;
}

export interface ControlServerOptions {
  /** Path of the unix socket; see controlPath. */
  readonly path: string;
  readonly target: ControlTarget;
  readonly log: Logger;
  readonly limits?: ControlServerLimits;
  /** Uid of the master. Default: this process's. */
  readonly ownUid?: number;
}

export interface ControlServer {
  readonly path: string;
  /** Removes the socket, and closes connections a moment later, so that answers can be sent. May be called twice. */
  close(): Promise<void>;
}

const MAX_CONNECTIONS: Count = 16;
/** How long {@link ControlServer.close} waits for answers: that of the stop itself is one. */
const CLOSE_PATIENCE_MS: Milliseconds = 1000;
/** Shortest time between two lines about refused peers: they must not fill the log. */
const REFUSAL_EVERY_MS: Milliseconds = 1000;
const ROOT = 0;

/**
 * Listens for commands to the master.
 *
 * @throws ControlError the path cannot be had; its message is complete
 */
export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path, target, log, limits = {}, ownUid = process.geteuid?.() ?? ROOT } = options;
  const { fd, file } = bindControlSocket(path);
  const conversations = new Set<Conversation>();
  const refusals = new RefusalLog(log);
  // A peer may close its own direction after its request.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // An error of one peer closes its connection, and nothing else.
    socket.on('error', () => socket.destroy());
    const peer = peerOf(socket);
    if (peer === undefined || (peer.uid !== ROOT && peer.uid !== ownUid)) {
      refusals.tell(peer);
      socket.destroy();
      return;
    }
    const conversation = new Conversation({ socket, peer, target, log, limits });
    conversations.add(conversation);
    socket.once('close', () => conversations.delete(conversation));
  });
  server.maxConnections = limits.maxConnections ?? MAX_CONNECTIONS;
  server.on('error', (error) => log.error(`control: ${error.message}`));
  server.listen({ fd });
  await once(server, 'listening');
  let closing: Promise<void> | undefined;
  const close = async () => {
    const closed = once(server, 'close');
    // The file is removed first: a master that starts now can bind its own.
    removeSocketFile(file);
    server.close();
    const timer = setTimeout(() => {
      for (const conversation of conversations) conversation.abort();
    }, CLOSE_PATIENCE_MS);
    for (const conversation of conversations) conversation.closeSoon();
    await closed;
    clearTimeout(timer);
  };
  return {
    path,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function peerOf(socket: Socket): PeerCredentials | undefined {
  const fd = descriptorOf(socket);
  try {
    return fd === undefined ? undefined : peerCredentials(fd);
  } catch {
    return undefined; // a seccomp filter, which is logged at the start: a peer that is not known is refused
  }
}

class RefusalLog {
  readonly #log: Logger;
  #toldAtMs: Milliseconds = Number.NEGATIVE_INFINITY;

  constructor(log: Logger) {
    this.#log = log;
  }

  tell(peer: PeerCredentials | undefined): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs < REFUSAL_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    const who = peer === undefined ? 'an unknown peer' : `uid ${peer.uid}, pid ${peer.pid}`;
    this.#log.warning(`control: refused ${who}; only root and the master's own user may give commands`);
  }
}
