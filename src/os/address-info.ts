import koffi from 'koffi';
import { SystemError } from '../errors.js';
import { lastErrno, libcFunction, systemError } from './libc.js';
import { writeUInt32 } from './native-integers.js';
import { AF_INET, AF_INET6, decodeSocketAddress, type SocketAddress } from './socket-address.js';
import { SOCK_STREAM } from './socket-constants.js';

const EAI_SYSTEM = -11;

/** <netdb.h> of glibc, by the numbers that getaddrinfo(3) returns. */
const EAI_NAMES: Readonly<Record<number, string>> = {
  [-1]: 'EAI_BADFLAGS',
  [-2]: 'EAI_NONAME',
  [-3]: 'EAI_AGAIN',
  [-4]: 'EAI_FAIL',
  [-5]: 'EAI_NODATA',
  [-6]: 'EAI_FAMILY',
  [-7]: 'EAI_SOCKTYPE',
  [-8]: 'EAI_SERVICE',
  [-10]: 'EAI_MEMORY',
};

/** `struct addrinfo`; pointers arrive as bigint, 0n or null for NULL. */
interface AddressInfo {
  readonly family: number;
  readonly addrlen: number;
  readonly addr: bigint | null;
  readonly next: bigint | null;
}

const addrinfo = koffi.struct({
  flags: 'int',
  family: 'int',
  socktype: 'int',
  protocol: 'int',
  addrlen: 'uint32_t',
  addr: 'void *',
  canonname: 'void *',
  next: 'void *',
});

const c = {
  getaddrinfo: libcFunction<(host: string, service: string, hints: Buffer, result: BigUint64Array) => number>(
    'int getaddrinfo(const char *node, const char *service, const void *hints, void *res)',
  ),
  freeaddrinfo: libcFunction<(list: bigint) => void>('void freeaddrinfo(void *res)'),
  gai_strerror: libcFunction<(status: number) => string>('const char *gai_strerror(int errcode)'),
};

/**
 * All stream addresses of a name, in the resolver's order. Blocks the thread until the resolver answers: only for
 * the start, as php-fpm does it.
 *
 * @param host a name or a numeric address, without brackets; IPv6 may carry a zone (`fe80::1%eth0`)
 * @param port a number or a service name
 * @throws SystemError with an EAI_ code and the resolver's text as `reason`
 * @see getaddrinfo(3)
 */
export function resolveAddresses(host: string, port: string): SocketAddress[] {
  const head = new BigUint64Array(1);
  const hints = Buffer.alloc(addrinfo.size);
  writeUInt32(hints, SOCK_STREAM, koffi.offsetof(addrinfo, 'socktype'));
  const status = c.getaddrinfo(host, port, hints, head);
  if (status !== 0) throw resolverError(status, host);
  const list = head[0] ?? 0n;
  try {
    return readList(list);
  } finally {
    c.freeaddrinfo(list);
  }
}

function readList(list: bigint): SocketAddress[] {
  const addresses: SocketAddress[] = [];
  for (let at: bigint | null = list; at; ) {
    const entry = koffi.decode(at, addrinfo) as AddressInfo;
    if (entry.addr && (entry.family === AF_INET || entry.family === AF_INET6)) {
      // The list is freed before the addresses are used: copy.
      const bytes = Buffer.from(koffi.decode(entry.addr, 'uint8_t', entry.addrlen) as Uint8Array);
      const address = decodeSocketAddress(bytes);
      if (address !== undefined) addresses.push(address);
    }
    at = entry.next;
  }
  return addresses;
}

function resolverError(status: number, host: string): SystemError {
  if (status === EAI_SYSTEM) {
    return systemError(lastErrno(), { syscall: 'getaddrinfo', address: host });
  }
  return new SystemError({
    code: EAI_NAMES[status] ?? 'EAI_FAIL',
    errno: Math.abs(status),
    syscall: 'getaddrinfo',
    address: host,
    reason: c.gai_strerror(status),
  });
}
