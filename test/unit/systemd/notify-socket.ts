import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeUnixName } from '../../../src/os/datagram.js';
import { checked, libcFunction } from '../../../src/os/libc.js';
import type { Fd } from '../../../src/units.js';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;

const c = {
  socket: libcFunction<(domain: number, type: number, protocol: number) => number>(
    'int socket(int domain, int type, int protocol)',
  ),
  bind: libcFunction<(fd: Fd, address: Buffer, length: number) => number>(
    'int bind(int sockfd, const void *addr, uint32_t addrlen)',
  ),
  recv: libcFunction<(fd: Fd, bytes: Buffer, size: number, flags: number) => number>(
    'intptr_t recv(int sockfd, void *buf, size_t len, int flags)',
  ),
};

/** The socket that systemd would read from, since none runs here. */
export class NotifySocket {
  readonly address: string;
  readonly #fd: Fd;
  readonly #folder: string;
  #isOpen = true;

  /** @param isAbstract a name without a file, as inside containers */
  constructor(isAbstract = false) {
    this.#folder = mkdtempSync(join(tmpdir(), 'tsfpm-notify-'));
    const path = join(this.#folder, 'notify');
    this.address = isAbstract ? `@${path}` : path;
    this.#fd = checked(c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), { syscall: 'socket' });
    const name = encodeUnixName(this.address);
    checked(c.bind(this.#fd, name, name.length), { syscall: 'bind' });
  }

  /** All that has come since the last call, one datagram each. */
  received(): string[] {
    const datagrams: string[] = [];
    const room = Buffer.alloc(65536);
    for (;;) {
      const length = c.recv(this.#fd, room, room.length, MSG_DONTWAIT);
      if (length < 0) return datagrams;
      datagrams.push(room.toString('utf8', 0, length));
    }
  }

  /** May be called twice. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
