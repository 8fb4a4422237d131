import { setCloseOnExec } from '../os/descriptor.js';
import { hasCode } from '../os/libc.js';
import { isListeningStream } from '../os/listening.js';
import { socketName } from '../os/socket.js';
import type { SocketAddress } from '../os/socket-address.js';
import type { Fd, Pid } from '../units.js';

/** A listening socket that systemd has bound for this master. */
export interface ActivationSocket {
  readonly fd: Fd;
  /** `FileDescriptorName=` of the socket unit; `unknown` if it gives none. */
  readonly name: string;
  readonly address: SocketAddress;
}

/** A passed descriptor that is no socket to serve FastCGI on; it stays open. */
export interface UnusableDescriptor {
  readonly fd: Fd;
  readonly name: string;
  /** `it is no listening stream socket` */
  readonly reason: string;
}

export interface Activation {
  readonly sockets: readonly ActivationSocket[];
  readonly unusable: readonly UnusableDescriptor[];
}

/** sd_listen_fds(3): passed descriptors begin here. */
const SD_LISTEN_FDS_START: Fd = 3;
/** What systemd calls a descriptor without a name. */
const NAMELESS = 'unknown';
/** More than any unit has; a false number must not make a loop of hours. */
const MOST_DESCRIPTORS = 4096;

/**
 * Takes over the sockets that a socket unit passes, and removes the variables that tell of them: children must get
 * neither.
 *
 * @param environment usually process.env
 * @param pid of this process; descriptors for another pid are left alone
 */
export function takeActivation(environment: Record<string, string | undefined>, pid: Pid): Activation {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'])
    delete environment[name];
  const sockets: ActivationSocket[] = [];
  const unusable: UnusableDescriptor[] = [];
  for (const { fd, name } of passedDescriptors({ LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES }, pid)) {
    const taken = take(fd);
    if (typeof taken === 'string') unusable.push({ fd, name, reason: taken });
    else sockets.push({ fd, name, address: taken });
  }
  return { sockets, unusable };
}

export interface ActivationVariables {
  readonly LISTEN_PID?: string | undefined;
  readonly LISTEN_FDS?: string | undefined;
  readonly LISTEN_FDNAMES?: string | undefined;
}

/** The descriptors that the variables name; whether they are sockets is not checked yet. */
export function passedDescriptors(variables: ActivationVariables, pid: Pid): { fd: Fd; name: string }[] {
  const { LISTEN_PID, LISTEN_FDS = '', LISTEN_FDNAMES } = variables;
  if (Number(LISTEN_PID) !== pid || !/^[0-9]{1,9}$/.test(LISTEN_FDS)) return [];
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  return Array.from({ length: Math.min(Number(LISTEN_FDS), MOST_DESCRIPTORS) }, (_, index) => ({
    fd: SD_LISTEN_FDS_START + index,
    name: names[index] || NAMELESS,
  }));
}

/** @returns its address, or why it cannot be used */
function take(fd: Fd): SocketAddress | string {
  try {
    setCloseOnExec(fd, true);
    if (!isListeningStream(fd)) return 'it is no listening stream socket';
    return socketName(fd) ?? 'it has an address of an unknown kind';
  } catch (error) {
    if (hasCode(error, 'EBADF')) return 'it is not open';
    if (hasCode(error, 'ENOTSOCK')) return 'it is no socket';
    throw error;
  }
}
