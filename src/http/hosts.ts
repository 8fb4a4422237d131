import { isIP } from 'node:net';

/** The address that a request came to, and the name that it used. */
export interface RequestedHost {
  /** The Host header; undefined where there is none, which no browser does. */
  readonly host: string | undefined;
  /** Local address of the connection; undefined for a unix socket, which no browser reaches. */
  readonly localAddress: string | undefined;
}

/**
 * Refuses names that a web page could use to read the answers (DNS rebinding): a page can let its own host name point
 * to
 * 127.0.0.1, send requests to this server under that name, and read what comes back. So on a loopback address only
 * `localhost` and the names in `http.hosts` are allowed; on other addresses any name is, unless `http.hosts` is set.
 *
 * @param allowed names, in any case
 * @returns why the request is refused, for its sender; undefined if it is allowed
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

/** The name without port, brackets and the final dot of the root zone. */
function nameOf(host: string): string {
  const { v6, name = '' } = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:]*))(?::\d*)?$/.exec(host)?.groups ?? {
    name: host,
  };
  return (v6 ?? name).toLowerCase().replace(/\.$/, '');
}

function isLoopback(address: string): boolean {
  return /^(?:::ffff:)?127\./i.test(address) || address === '::1';
}
