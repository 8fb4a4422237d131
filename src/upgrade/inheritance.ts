import { addressKey } from '../listen/bind.js';
import type { InheritedSocket } from '../listen/inherited.js';
import { setCloseOnExec } from '../os/descriptor.js';
import { takeActivation } from '../systemd/activation.js';
import { type NotifyEnvironment, takeNotifyEnvironment } from '../systemd/notify-environment.js';
import { takeSockets } from './inherited-sockets.js';
import { type Takeover, takeTakeover } from './takeover.js';

/** What was there before the master: from the program that this process ran before an upgrade, and from systemd. */
export interface Inheritance {
  readonly takeover: Takeover | undefined;
  readonly sockets: readonly InheritedSocket[];
  readonly notify: NotifyEnvironment | undefined;
}

export const NOTHING_INHERITED: Inheritance = { takeover: undefined, sockets: [], notify: undefined };

/** Reads it from the environment, and takes it out of there: what this process starts must not see it. */
export function takeInheritance(environment: Record<string, string | undefined>): Inheritance {
  const takeover = takeTakeover(environment);
  const passed = takeSockets(environment).sockets.map((socket) => ({
    ...socket,
    isLent: takeover?.lentFds.includes(socket.fd) === true,
  }));
  for (const { fd } of passed) setCloseOnExec(fd, true);
  const lent = takeActivation(environment, process.pid).sockets.map(({ fd, address }) => ({
    key: addressKey(address),
    fd,
    isLent: true,
  }));
  return {
    takeover,
    sockets: [...passed, ...lent],
    notify: takeNotifyEnvironment(environment, process.pid),
  };
}
