import type { Fd } from '../units.js';

// How a master hands its listening sockets to its successor in the same process: in php-fpm's variables,
// `FPM_SOCKETS=key=fd,key=fd`, and for more sockets `FPM_SOCKETS_1`, `FPM_SOCKETS_2` and so on.

/** A listening socket by the name that both sides know it by: `/run/www.sock`, `127.0.0.1:9000`, `::1:9000`. */
export interface NamedSocket {
  readonly key: string;
  readonly fd: Fd;
}

export interface InheritedSockets {
  readonly sockets: readonly NamedSocket[];
  /** Entries that cannot be read, unchanged; no descriptor is taken from them. */
  readonly unreadable: readonly string[];
}

/** php-fpm's number: one variable of the environment may not exceed 128 KiB. */
const SOCKETS_PER_VARIABLE = 128;
const MOST_VARIABLES = 256;
/** 0, 1 and 2 are never listening sockets. */
const LOWEST_FD: Fd = 3;

/**
 * The variables for the successor's environment; none for no sockets.
 *
 * @throws RangeError for more sockets than the variables hold (32768)
 */
export function encodeSockets(sockets: readonly NamedSocket[]): Record<string, string> {
  if (sockets.length > SOCKETS_PER_VARIABLE * MOST_VARIABLES)
    throw new RangeError(`${sockets.length} sockets are too many to hand on`);
  const variables: Record<string, string> = {};
  for (let first = 0; first < sockets.length; first += SOCKETS_PER_VARIABLE) {
    const some = sockets.slice(first, first + SOCKETS_PER_VARIABLE);
    variables[variableName(first / SOCKETS_PER_VARIABLE)] = some
      .map(({ key, fd }) => `${escapeKey(key)}=${fd}`)
      .join(',');
  }
  return variables;
}

/** What the variables name; whether the descriptors are open, and sockets, is for the caller to see. */
export function decodeSockets(environment: Readonly<Record<string, string | undefined>>): InheritedSockets {
  const entries = socketVariables(environment)
    .flatMap((name) => environment[name]?.split(',') ?? [])
    .filter((entry) => entry !== '');
  const sockets: NamedSocket[] = [];
  const unreadable: string[] = [];
  const [keys, fds] = [new Set<string>(), new Set<Fd>()];
  for (const entry of entries) {
    const socket = decodeEntry(entry);
    if (socket === undefined || keys.has(socket.key) || fds.has(socket.fd)) {
      unreadable.push(entry);
      continue;
    }
    keys.add(socket.key);
    fds.add(socket.fd);
    sockets.push(socket);
  }
  return { sockets, unreadable };
}

/** Like {@link decodeSockets}, and removes the variables: workers that keep the environment must not see them. */
export function takeSockets(environment: Record<string, string | undefined>): InheritedSockets {
  const found = decodeSockets(environment);
  for (const name of socketVariables(environment)) delete environment[name];
  return found;
}

function variableName(index: number): string {
  return index === 0 ? 'FPM_SOCKETS' : `FPM_SOCKETS_${index}`;
}

/** Names of the variables that are set, in order, up to the first gap. */
function socketVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  const names = Array.from({ length: MOST_VARIABLES }, (_, index) => variableName(index));
  const gap = names.findIndex((name) => environment[name] === undefined);
  return gap < 0 ? names : names.slice(0, gap);
}

function decodeEntry(entry: string): NamedSocket | undefined {
  // The last equals sign of the entry: a path may hold others.
  const equals = entry.lastIndexOf('=');
  const digits = entry.slice(equals + 1);
  if (equals < 1 || !/^(?:0|[1-9][0-9]{0,8})$/.test(digits) || Number(digits) < LOWEST_FD) return undefined;
  return { key: unescapeKey(entry.slice(0, equals)), fd: Number(digits) };
}

/** A path may hold a comma, which php-fpm takes for the end of an entry. */
function escapeKey(key: string): string {
  return key.replaceAll('%', '%25').replaceAll(',', '%2C');
}

function unescapeKey(text: string): string {
  return text.replaceAll('%2C', ',').replaceAll('%25', '%');
}
