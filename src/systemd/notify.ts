import type { SystemError } from '../errors.js';
import { sendUnixDatagram } from '../os/datagram.js';
import { asSystemError } from '../os/libc.js';
import type { Pid } from '../units.js';

/** What systemd is told; each field is one line of the datagram. See sd_notify(3). */
export interface Notification {
  /** READY=1: the service serves. Also the end of a reload. */
  readonly ready?: true;
  /** A reload begins now, at this reading of CLOCK_MONOTONIC; systemd wants both in one datagram. */
  readonly reloadingSinceUs?: number;
  readonly stopping?: true;
  /** Shown by `systemctl status`. */
  readonly status?: string;
  readonly mainPid?: Pid;
  /** WATCHDOG=1: a sign of life for the watchdog. */
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
 * Sends a notification to $NOTIFY_SOCKET. Never waits and never throws: the service goes on if systemd cannot be told.
 *
 * @param socket path, or `@name` for an abstract socket
 * @returns why it could not be sent; undefined if it was
 */
export function notify(socket: string, notification: Notification): SystemError | undefined {
  try {
    sendUnixDatagram(socket, Buffer.from(encodeNotification(notification)));
    return undefined;
  } catch (error) {
    return asSystemError(error);
  }
}

/** A line break in a status would start another field; the name of a pool may hold one. */
function onOneLine(text: string): string {
  return text.replaceAll(/[\r\n\0]+/g, ' ');
}
