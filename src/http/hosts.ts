import { isIP } from 'node:net';

/** Where a request came to, and by which name. */
export interface RequestedHost {
  /** The Host header; undefined where there is none, which no browser does. */
  readonly host: string | undefined;
  /** Of the connection; undefined for a unix socket, which no browser reaches. */
  readonly localAddress: string | undefined;
}

/**
 * A page in somebody's browser can give its own host name the address 127.0.0.1, ask us under that name, and read the
 * answer (DNS rebinding): so on a loopback address no name counts but `localhost` and those that the administrator has
 * named. On others a scraper may come by any name, unless some are named.
 *
 * @param allowed names, in any case
 * @returns why it is not answered, for the one who asked; undefined where it is
 */
export function hostRefusal(
  { host, localAddress }: RequestedHost,
  allowed: readonly string[],
): string | undefined {
  if (!host || localAddress === undefined || !(isLoopback(localAddress) || allowed.length > 0))
    return undefined;
  const name = nameOf(host);
  const isKnown = name === 'localhost' || isIP(name) !== 0 || allowed.some((each) => nameOf(each) === name);
  return isKnown
    ? undefined
    : `The host '${name}' is not known here. Ask by address or as localhost, or name it in http.hosts.`;
}

/** Without port, brackets and the dot of the root. */
function nameOf(host: string): string {
  const { v6, name = '' } = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:]*))(?::\d*)?$/.exec(host)?.groups ?? {
    name: host,
  };
  return (v6 ?? name).toLowerCase().replace(/\.$/, '');
}

function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\./i.test(address) || address === '::1';
}
