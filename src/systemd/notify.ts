import type { SystemError } from '../errors.js';
import { sendUnixDatagram } from '../os/datagram.js';
import { asSystemError } from '../os/libc.js';
import type { Pid } from '../units.js';

/** What systemd is told; each field is one line of the datagram. See sd_notify(3). */
export interface Notification {
  /** The service serves; also the end of a reload. */
  readonly ready?: true;
  /** A reload begins now, at this reading of CLOCK_MONOTONIC; systemd wants both in one datagram. */
  readonly reloadingSinceUs?: number;
  readonly stopping?: true;
  /** For people, shown by `systemctl status`. */
  readonly status?: string;
  readonly mainPid?: Pid;
  /** Sign of life, where a watchdog is set. */
  readonly watchdog?: true;
}

/** The text of a datagram: `NAME=value` lines. */
export function encodeNotification(notification: Notification): string {
  const { ready, reloadingSinceUs, stopping, status, mainPid, watchdog } = notification;
  return [
    ...(ready ? ['READY=1'] : []),
    ...(reloadingSinceUs === undefined ? [] : ['RELOADING=1', `MONOTONIC_USEC=${reloadingSinceUs}`]),
    ...(stopping ? ['STOPPING=1'] : []),
    ...(watchdog ? ['WATCHDOG=1'] : []),
    ...(status === undefined ? [] : [`STATUS=${onOneLine(status)}`]),
    ...(mainPid === undefined ? [] : [`MAINPID=${mainPid}`]),
  ].join('\n');
}

/**
 * Sends it to $NOTIFY_SOCKET. Never waits and never throws: that the supervisor cannot be told is no reason to serve
 * worse.
 *
 * @param socket path, or `@name` for an abstract socket
 * @returns why it did not arrive; undefined if it did
 */
export function notify(socket: string, notification: Notification): SystemError | undefined {
  try {
    sendUnixDatagram(socket, Buffer.from(encodeNotification(notification)));
    return undefined;
  } catch (error) {
    return asSystemError(error);
  }
}

/** A line break in a status (the name of a pool may hold anything) would start a field of its own. */
function onOneLine(text: string): string {
  return text.replaceAll(/[\r\n\0]+/g, ' ');
}
