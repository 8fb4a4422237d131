import { Socket } from 'node:net';
import { ProtocolError } from '../errors.js';
import type { MasterLog } from '../log/master-log.js';
import type { Fd } from '../units.js';
import { encodeFrame, ZygoteMessageDecoder } from './control-frames.js';
import { OutputLines } from './output-lines.js';

/**
 * A zygote that the master started before it replaced its own program: its workers serve until the new ones do. All that
 * is left of it here is its control channel. It may speak an older protocol: then what its workers print is lost.
 */
export class ForeignZygote {
  readonly #socket: Socket;

  constructor(fd: Fd, log: MasterLog) {
    this.#socket = new Socket({ fd, readable: true, writable: true });
    const decoder = new ZygoteMessageDecoder();
    const linesByPid = new Map<number, OutputLines>();
    const linesOf = (pid: number): OutputLines => {
      const there = linesByPid.get(pid);
      if (there !== undefined) return there;
      const lines = new OutputLines((text) => log.output({ pool: 'previous', pid, stream: 'stderr', text }));
      linesByPid.set(pid, lines);
      return lines;
    };
    this.#socket.on('error', () => {}); // it has ended
    this.#socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of decoder.push(chunk)) {
          if (message.type === 'output') linesOf(message.pid).push(message.bytes);
          if (message.type === 'exited') linesByPid.get(message.pid)?.end();
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.#socket.destroy();
      }
    });
  }

  /** Its workers finish what they have in hand; the frame is the same in every version of the protocol. */
  drain(): void {
    this.#socket.write(encodeFrame('DRAIN'));
  }
}
