import { closeSync, lstatSync } from 'node:fs';
import {
  bindSocketFile,
  isSocketLive,
  ownSocketFile,
  removeSocketFile,
  removeStaleFile,
  type SocketFile,
  SocketRightsError,
} from '../listen/socket-file.js';
import { asSystemError, hasCode } from '../os/libc.js';
import { listenOnSocket, openStreamSocket } from '../os/socket.js';
import type { Count, Fd } from '../units.js';

/** Only the master's own user may connect; root needs no permission. */
const SOCKET_MODE = 0o600;
const BACKLOG: Count = 16;

/** The control socket cannot be made; the message is a line for the log. */
class ControlError extends Error {
  readonly code = 'CONTROL';

  constructor(message: string, cause?: unknown) {
    super(cause === undefined ? message : `${message}${asSystemError(cause).suffix}`, { cause });
    this.name = 'ControlError';
  }
}

export interface ControlSocket {
  readonly fd: Fd;
  readonly file: SocketFile;
}

/**
 * Makes the control socket. Replaces the socket that a killed master has left, but not one on which a master listens,
 * nor a file that is no socket.
 *
 * @throws ControlError
 */
export function bindControlSocket(path: string): ControlSocket {
  const failure = `unable to listen for commands at '${path}'`;
  try {
    if (isSocketLive(path)) throw new ControlError(`${failure}: another master answers there`);
    if (isAnotherFile(path)) throw new ControlError(`${failure}: the file is there and no socket`);
    removeStaleFile(path);
    return bound(path);
  } catch (error) {
    if (error instanceof ControlError) throw error;
    throw new ControlError(failure, error instanceof SocketRightsError ? error.cause : error);
  }
}

function bound(path: string): ControlSocket {
  const fd = openStreamSocket('unix');
  let file: SocketFile | undefined;
  try {
    bindSocketFile(fd, path, SOCKET_MODE);
    file = ownSocketFile(path, {});
    listenOnSocket(fd, BACKLOG);
    return { fd, file };
  } catch (error) {
    closeSync(fd);
    if (file !== undefined) removeSocketFile(file);
    throw error;
  }
}

function isAnotherFile(path: string): boolean {
  try {
    return !lstatSync(path).isSocket();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
