/** What the text of a `listen` directive asks for. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  /** `host` as written, without brackets; undefined is "all addresses". */
  | { readonly kind: 'tcp'; readonly host: string | undefined; readonly port: number };

/** `message` is complete, in php-fpm's words. */
export interface InvalidListenAddress {
  readonly kind: 'invalid';
  readonly message: string;
}

const ALL_DIGITS = /^\d+$/;
/** A port, as php-fpm reads it: blanks and a plus sign before it are passed over. */
const PORT_NUMBER = /^\s*\+?(\d+)$/;
const HIGHEST_PORT = 65535;

/**
 * php-fpm's rules: a colon makes it TCP, split at the last one; digits alone are a port on all addresses; all else is
 * the path of a unix socket, so a host name alone is a path too.
 */
export function parseListenAddress(text: string): ListenAddress | InvalidListenAddress {
  const colon = text.lastIndexOf(':');
  if (colon >= 0) return tcpAddress(withoutBrackets(text.slice(0, colon)), text.slice(colon + 1));
  return ALL_DIGITS.test(text) ? tcpAddress(undefined, text) : { kind: 'unix', path: text };
}

function tcpAddress(host: string | undefined, portText: string): ListenAddress | InvalidListenAddress {
  const port = Number(PORT_NUMBER.exec(portText)?.[1]);
  if (port >= 1 && port <= HIGHEST_PORT) {
    return { kind: 'tcp', host, port };
  }
  return { kind: 'invalid', message: `invalid port value '${portText}'` };
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
