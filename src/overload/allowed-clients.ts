import { BlockList, isIP, isIPv4 } from 'node:net';
import type { SocketAddress } from '../os/socket-address.js';

/**
 * `listen.allowed_clients` for the master, as runtime/allowed-clients.c has it for workers: addresses between commas;
 * what is none allows nobody.
 *
 * @param list undefined: everybody is allowed
 */
export function allowedClients(list: string | undefined): (client: SocketAddress | undefined) => boolean {
  if (list === undefined) return () => true;
  const allowed = new BlockList();
  for (const host of list.split(',').map(plain))
    if (isIP(host) !== 0 && !host.includes('%')) allowed.addAddress(host, familyOf(host));
  return (client) => {
    if (client?.family === 'unix') return true;
    if (client === undefined) return false;
    const host = plain(client.host);
    return allowed.check(host, familyOf(host));
  };
}

/** An IPv4 address may come as the IPv6 address that it is mapped to. */
function plain(host: string): string {
  const [, narrow = ''] = /^::ffff:(.*)$/i.exec(host) ?? [];
  return isIPv4(narrow) ? narrow : host;
}

function familyOf(host: string): 'ipv4' | 'ipv6' {
  return isIPv4(host) ? 'ipv4' : 'ipv6';
}
