import type { Config } from '../config/config.js';
import { StartFailure, SystemError } from '../errors.js';
import { parseListenAddress } from '../listen/address.js';
import type { MasterLog } from '../log/master-log.js';
import { callFailure } from '../os/facilities.js';
import { listenQueueFailure } from '../os/listen-queue.js';
import { peerCredentialsFailure } from '../os/peer-credentials.js';
import { pidfdFailure } from '../os/pidfd.js';
import { becomeSubreaper, resourceLimit } from '../os/process.js';
import { queuedClientsFailure } from '../os/queued-clients.js';

/** Something that Linux has and not every machine grants: old kernels, seccomp filters, containers. */
interface Facility {
  /** In the words of those who have to grant it: kernel, seccomp, container. */
  readonly name: string;
  /** Default: always. */
  readonly isUsed?: (config: Config) => boolean;
  /** Why it is not there; undefined where it is. */
  readonly failure: () => Error | undefined;
  /** What does not work without it; undefined: nothing works. */
  readonly without?: string;
  /** What follows from that for the service. */
  readonly therefore?: string;
}

const UNKNOWN_QUEUE = {
  without: 'listen queue unknown',
  therefore: 'pools grow one by one while clients wait, and status pages show 1 for some',
} as const;

const FACILITIES: readonly Facility[] = [
  {
    name: 'netlink',
    isUsed: (config) => hasListenSocket(config, 'unix'),
    failure: () => listenQueueFailure('unix'),
    ...UNKNOWN_QUEUE,
  },
  {
    name: 'TCP_INFO',
    isUsed: (config) => hasListenSocket(config, 'tcp'),
    failure: () => listenQueueFailure('ipv4'),
    ...UNKNOWN_QUEUE,
  },
  ...(['unix', 'tcp'] as const).map((kind) => ({
    name: 'netlink',
    isUsed: (config: Config) => hasQueueTimeout(config, kind),
    failure: () => queuedClientsFailure(kind === 'unix' ? 'unix' : 'ipv4'),
    without: `who waits at a ${kind} socket is unknown`,
    therefore: 'queue.timeout has no effect there',
  })),
  {
    name: 'pidfd',
    failure: pidfdFailure,
    without: 'processes are signalled by number',
    therefore: 'whose that is is looked at before',
  },
  {
    name: 'close_range',
    failure: () => callFailure('close_range'),
    without: 'descriptors are closed one by one',
  },
  {
    name: 'ptrace',
    isUsed: ({ pools }) => pools.some(({ requestSlowlogTimeout }) => requestSlowlogTimeout > 0),
    failure: () => callFailure('ptrace'),
    without: 'workers cannot be stopped for a look',
    therefore: 'slow requests that compute, and do not wait for something, may be logged without a backtrace',
  },
  {
    name: 'PR_SET_CHILD_SUBREAPER',
    // Whether the kernel allows it shows only in becoming one.
    failure: () => failureOf(becomeSubreaper),
    without: 'the master is no parent to workers whose zygote was killed',
    therefore: 'how those end is not known',
  },
  {
    name: 'PR_SET_PDEATHSIG',
    failure: () => callFailure('prctl(PR_SET_PDEATHSIG)'),
    without: 'workers stay where master and zygote are killed at once',
  },
  {
    name: 'SO_PEERCRED',
    failure: peerCredentialsFailure,
    without: 'who gives commands is not known, and nobody may',
    therefore: 'signals work as ever',
  },
  {
    name: 'prlimit',
    failure: () => failureOf(() => resourceLimit('openFiles')),
    without: 'limits of descriptors stay as they are',
  },
  { name: 'memfd_create', failure: () => callFailure('memfd_create') },
  { name: 'signalfd', failure: () => callFailure('signalfd') },
  { name: 'accept4', failure: () => callFailure('accept4') },
  { name: 'waitid', failure: () => callFailure('waitid') },
];

/**
 * What the machine does not grant, one line each; the master serves by other means.
 *
 * @throws StartFailure where there are none; it has been logged
 */
export function checkFacilities(config: Config, log: MasterLog): void {
  const missing = FACILITIES.flatMap((facility) => {
    const error = facility.isUsed?.(config) === false ? undefined : facility.failure();
    return error === undefined ? [] : [{ ...facility, reason: reasonOf(error) }];
  });
  for (const { name, reason, without, therefore } of missing) {
    if (without === undefined) log.error(`tsfpm cannot work here: no ${name} (${reason})`);
    else log.notice(`${without}: no ${name} (${reason})${therefore === undefined ? '' : `; ${therefore}`}`);
  }
  if (missing.some(({ without }) => without === undefined))
    throw new StartFailure('the machine lacks what tsfpm needs');
}

function reasonOf(error: Error): string {
  return error instanceof SystemError ? `${error.code}, ${error.reason}` : error.message;
}

function hasListenSocket({ pools }: Pick<Config, 'pools'>, kind: 'unix' | 'tcp'): boolean {
  return pools.some(({ listen }) => parseListenAddress(listen).kind === kind);
}

function hasQueueTimeout({ pools }: Config, kind: 'unix' | 'tcp'): boolean {
  return hasListenSocket({ pools: pools.filter(({ queueTimeout }) => queueTimeout > 0) }, kind);
}

function failureOf(call: () => unknown): SystemError | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
}
