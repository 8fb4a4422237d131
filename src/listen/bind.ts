import { closeSync } from 'node:fs';
import { resolve } from 'node:path';
import { unreachable } from '../errors.js';
import type { Logger } from '../log/levels.js';
import { resolveAddresses } from '../os/address-info.js';
import { asSystemError, hasCode } from '../os/libc.js';
import { hungUp } from '../os/poll.js';
import {
  acceptIpv4Too,
  bindSocket,
  listenOnSocket,
  openStreamSocket,
  setReuseAddress,
  shutDownSocket,
} from '../os/socket.js';
import { type SocketAddress, socketAddressText, UNIX_PATH_MAX } from '../os/socket-address.js';
import type { Count, Fd } from '../units.js';
import { parseListenAddress } from './address.js';
import { holdersText, portHolders } from './address-holder.js';
import { type InheritedStock, socketFileAt } from './inherited.js';
import { ListenError } from './listen-error.js';
import {
  bindSocketFile,
  isSocketLive,
  mayBeTaken,
  ownSocketFile,
  removeSocketFile,
  removeStaleFile,
  type SocketFile,
  type SocketRights,
  SocketRightsError,
  socketFileRights,
} from './socket-file.js';

/** What a pool's `listen` directives ask for. */
export interface ListenRequest {
  readonly pool: string;
  /** Text of `listen`, prefix and `$pool` already put in. */
  readonly listen: string;
  /** Connections that may wait; -1 is the kernel's maximum. */
  readonly backlog: Count;
  /** Who owns a unix socket; the default leaves the master's own user and group. */
  readonly rights?: SocketRights | undefined;
  /** Permission bits of a unix socket's file: 0o660. */
  readonly mode: number;
}

/** A socket that listens. The holder closes it with {@link closeListenSocket}. */
export interface ListenSocket {
  readonly fd: Fd;
  readonly pool: string;
  readonly listen: string;
  /** The address that `listen` stands for. */
  readonly address: SocketAddress;
  /** Only for a unix socket. */
  readonly file: SocketFile | undefined;
  /** Who bound it: this master; the master before it in the same process; or systemd, which also removes the file. */
  readonly origin: 'bound' | 'inherited' | 'lent';
}

/** A text for an address that is the same for every way to write it. */
export function addressKey(address: SocketAddress): string {
  return address.family === 'unix' ? resolve(address.path) : socketAddressText(address);
}

export interface BindContext {
  readonly log: Logger;
  /** Pool that has an address already, by {@link addressKey}. */
  readonly poolAt?: (key: string) => string | undefined;
  /** Sockets that are bound already. */
  readonly inherited?: InheritedStock | undefined;
}

/**
 * Makes the socket that a pool asks for: it listens, and is never accepted on here. php-fpm's warnings go to the log.
 *
 * @throws ListenError with the line for the log
 */
export function bindListenSocket(request: ListenRequest, context: BindContext): ListenSocket {
  const wanted = parseListenAddress(request.listen);
  switch (wanted.kind) {
    case 'invalid':
      throw new ListenError(request.pool, wanted.message);
    case 'unix':
      return bindUnix(request, wanted.path, context);
    case 'tcp':
      return tellingHolders(request, wanted.port, context, () =>
        wanted.host === undefined
          ? bindAllAddresses(request, wanted.port, context)
          : bindHost(request, { host: wanted.host, port: wanted.port }, context),
      );
    default:
      return unreachable(wanted);
  }
}

/**
 * Closes a socket, and removes its file if it is still the one made for it. The socket is shut down, so that a
 * process that a script has left behind with a copy of it gets no client and does not keep the address. A socket lent
 * by systemd is only closed.
 */
export function closeListenSocket(socket: ListenSocket): void {
  // The file first: a server that starts meanwhile finds either a live socket or none.
  if (socket.file !== undefined) removeSocketFile(socket.file);
  if (socket.origin !== 'lent') shutDownSocket(socket.fd);
  closeSync(socket.fd);
}

/**
 * Repairs a socket that another process, which shares it, has shut down. A TCP socket can listen again; a unix socket
 * cannot, and a new one takes its place, with the same rights of its file.
 *
 * @returns the socket that is at the address now; the one given stays open, if it is another
 * @throws ListenError
 */
export function mendListenSocket(socket: ListenSocket, request: ListenRequest, log: Logger): ListenSocket {
  if (socket.address.family !== 'unix') {
    listenAgain(socket.fd, request);
    return socket;
  }
  const rights = socket.origin === 'lent' ? socketFileRights(socket.address.path) : {};
  return bindListenSocket({ ...request, ...rights }, { log });
}

function listenAgain(fd: Fd, { pool, listen, backlog }: ListenRequest): void {
  try {
    listenOnSocket(fd, backlog);
  } catch (error) {
    throw new ListenError(pool, `failed to listen to address '${listen}'`, asSystemError(error));
  }
}

function bindUnix(request: ListenRequest, path: string, context: BindContext): ListenSocket {
  const length = Buffer.byteLength(path);
  if (length > UNIX_PATH_MAX) {
    // php-fpm cuts the path, and listens where no client connects.
    throw new ListenError(
      request.pool,
      `[pool ${request.pool}] the listen path '${path}' has ${length} bytes, ` +
        `a unix socket's path at most ${UNIX_PATH_MAX}`,
    );
  }
  const address: SocketAddress = { family: 'unix', path };
  refuseTaken(request, address, context);
  const inherited = adopt(request, address, context);
  if (inherited !== undefined) return inherited;
  if (mayBeTaken(path)) {
    if (isSocketLive(path))
      throw new ListenError(request.pool, `Another FPM instance seems to already listen on ${path}`);
    removeStaleFile(path);
  }
  return listening(request, address);
}

/** Logs which processes have the port, if it is taken. */
function tellingHolders(
  { pool }: ListenRequest,
  port: number,
  { log }: BindContext,
  bind: () => ListenSocket,
): ListenSocket {
  try {
    return bind();
  } catch (error) {
    const isInUse = error instanceof ListenError && hasCode(error.cause, 'EADDRINUSE');
    const holders = isInUse ? portHolders(port) : [];
    if (holders.length > 0 && !holders.some(({ pid }) => pid === process.pid))
      log.error(`[pool ${pool}] port ${port} is held by ${holdersText(holders)}`, { pool });
    throw error;
  }
}

/** `::` serves IPv4 as well; where IPv6 is off, IPv4 alone is bound. */
function bindAllAddresses(request: ListenRequest, port: number, context: BindContext): ListenSocket {
  const everywhere: SocketAddress = { family: 'ipv6', host: '::', port };
  refuseTaken(request, everywhere, context);
  const everywhereIpv4: SocketAddress = { family: 'ipv4', host: '0.0.0.0', port };
  const inherited = adopt(request, everywhere, context) ?? adopt(request, everywhereIpv4, context);
  if (inherited !== undefined) return inherited;
  try {
    return listening(request, everywhere, acceptIpv4Too);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    context.log.notice('Failed implicitly binding to ::, retrying with 0.0.0.0', { pool: request.pool });
  }
  refuseTaken(request, everywhereIpv4, context);
  return listening(request, everywhereIpv4);
}

/** The first address of a name that can be bound is used; the log tells of the others. */
function bindHost(
  request: ListenRequest,
  { host, port }: { host: string; port: number },
  context: BindContext,
): ListenSocket {
  const fields = { pool: request.pool };
  const failures: ListenError[] = [];
  let socket: ListenSocket | undefined;
  for (const address of resolved(request, host, port)) {
    const { host: numeric } = address as Exclude<SocketAddress, { family: 'unix' }>;
    if (socket !== undefined) {
      context.log.warning(`Found multiple addresses for ${host}, ${numeric} ignored`, fields);
      continue;
    }
    refuseTaken(request, address, context);
    try {
      socket = adopt(request, address, context) ?? listening(request, address);
      logAll(failures, context.log);
      context.log.debug(`Found address for ${host}, socket opened on ${numeric}`, fields);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
      failures.push(error);
    }
  }
  if (socket !== undefined) return socket;
  // The last failure is thrown, for the caller to log.
  const last = failures.pop();
  logAll(failures, context.log);
  throw last ?? new ListenError(request.pool, `getaddrinfo: no address found for '${host}'`);
}

function logAll(failures: readonly ListenError[], log: Logger): void {
  for (const failure of failures) {
    log.error(failure.message, { pool: failure.pool });
  }
}

function resolved(request: ListenRequest, host: string, port: number): SocketAddress[] {
  try {
    return resolveAddresses(host, String(port));
  } catch (error) {
    throw new ListenError(request.pool, `getaddrinfo: ${asSystemError(error).reason}`);
  }
}

/** Takes a socket that is bound to this address already, with its backlog, owner and mode as they are. */
function adopt(
  request: ListenRequest,
  address: SocketAddress,
  { inherited, log }: BindContext,
): ListenSocket | undefined {
  const key = addressKey(address);
  const found = inherited?.take(key);
  if (found === undefined) return undefined;
  log.notice(`using inherited socket fd=${found.fd}, "${key}"`, { pool: request.pool });
  const socket: ListenSocket = {
    fd: found.fd,
    pool: request.pool,
    listen: request.listen,
    address,
    file: found.isLent ? undefined : socketFileAt(key),
    origin: found.isLent ? 'lent' : 'inherited',
  };
  if (hungUp([socket.fd]).length === 0) return socket;
  log.error(`inherited socket fd=${found.fd}, "${key}" was shut down; binding it anew`, {
    pool: request.pool,
  });
  const mended = mendListenSocket(socket, request, log);
  if (mended !== socket) closeSync(socket.fd);
  return mended;
}

function refuseTaken(request: ListenRequest, address: SocketAddress, context: BindContext): void {
  const other = context.poolAt?.(addressKey(address));
  if (other !== undefined) throw alreadyUsed(request.pool, other);
}

/** php-fpm's words for a second pool on one address. */
export function alreadyUsed(pool: string, other: string): ListenError {
  return new ListenError(
    pool,
    `[pool ${pool}] unable to set listen address as it's already used in another pool '${other}'`,
  );
}

/** Every step from no socket to one that listens; after a failed one nothing is left behind. */
function listening(
  request: ListenRequest,
  address: SocketAddress,
  prepare: (fd: Fd) => void = () => {},
): ListenSocket {
  const { pool, listen } = request;
  const step = <Result>(failure: string, action: () => Result): Result => {
    try {
      return action();
    } catch (error) {
      throw new ListenError(pool, failure, asSystemError(error));
    }
  };
  const fd = step('failed to create new listening socket: socket()', () => openStreamSocket(address.family));
  let file: SocketFile | undefined;
  try {
    step('failed to change socket attribute', () => {
      setReuseAddress(fd);
      prepare(fd);
    });
    step(`unable to bind listening socket for address '${listen}'`, () =>
      address.family === 'unix' ? bindSocketFile(fd, address.path, request.mode) : bindSocket(fd, address),
    );
    if (address.family === 'unix') file = ownedFile(request, address.path);
    step(`failed to listen to address '${listen}'`, () => listenOnSocket(fd, request.backlog));
    return { fd, pool, listen, address, file, origin: 'bound' };
  } catch (error) {
    closeSync(fd);
    if (file !== undefined) removeSocketFile(file);
    throw error;
  }
}

function ownedFile({ pool, listen, rights = {} }: ListenRequest, path: string): SocketFile {
  try {
    return ownSocketFile(path, rights);
  } catch (error) {
    if (!(error instanceof SocketRightsError)) throw error;
    const shown = 'acl' in rights ? path : listen;
    throw new ListenError(pool, `[pool ${pool}] ${error.step} '${shown}'`, asSystemError(error.cause));
  }
}
