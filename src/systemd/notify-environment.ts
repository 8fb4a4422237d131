import type { Milliseconds, Pid } from '../units.js';

/** Where and how often systemd wants to be notified, from the environment. */
export interface NotifyEnvironment {
  /** $NOTIFY_SOCKET */
  readonly socket: string;
  /** Longest silence before the watchdog restarts the service; undefined without a watchdog. */
  readonly watchdogMs: Milliseconds | undefined;
  /** The variables as they came, for the next program in the same process. */
  readonly variables: Readonly<Record<string, string>>;
}

const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

/**
 * Takes the variables out of `environment`: they are meant for this process, and a worker that keeps the master's
 * environment (`clear_env = no`) could speak to systemd in its name.
 *
 * @param environment usually process.env
 * @param pid of this process; a watchdog for another pid is ignored
 * @returns undefined where systemd does not listen
 */
export function takeNotifyEnvironment(
  environment: Record<string, string | undefined>,
  pid: Pid,
): NotifyEnvironment | undefined {
  const variables: Record<string, string> = {};
  for (const name of VARIABLES) {
    const value = environment[name];
    if (value !== undefined) variables[name] = value;
    delete environment[name];
  }
  const socket = variables.NOTIFY_SOCKET;
  // Other addresses (vsock:) are for virtual machines.
  if (socket === undefined || !/^[/@]./.test(socket)) return undefined;
  const isOurs = variables.WATCHDOG_PID === undefined || Number(variables.WATCHDOG_PID) === pid;
  return { socket, watchdogMs: isOurs ? watchdogMs(variables.WATCHDOG_USEC) : undefined, variables };
}

function watchdogMs(text = ''): Milliseconds | undefined {
  const us = /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
  return us > 0 ? us / 1000 : undefined;
}
