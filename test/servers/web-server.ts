import type { FcgiAddress } from '../helpers/fastcgi-client.js';
import type { SocketKind } from '../helpers/two-pools.js';

/** Where a web server under test finds and leaves what it needs. */
export interface ServerPlace {
  /** Its own, writable. */
  readonly folder: string;
  /** Of the loopback interface, where it listens. */
  readonly port: number;
  readonly documentRoot: string;
  /** Where the pool listens. */
  readonly pool: FcgiAddress;
}

/** A web server in front of a pool, as its guides have it: one configuration. */
export interface WebServer {
  /** For the name of the test. */
  readonly name: string;
  /** By these names; the first that is there. */
  readonly programs: readonly string[];
  readonly package: string;
  readonly socket: SocketKind;
  /** Whether it uses a connection to the pool for more than one request. */
  readonly keepsConnections: boolean;
  /** Whether it passes on a body whose length its client has not told; else it answers 400, whatever is behind it. */
  readonly takesChunkedBodies: boolean;
  /** Whether its error log holds what PHP has to say. */
  readonly logsMessages: boolean;
  configuration(place: ServerPlace): string;
  /** @param folder that of {@link ServerPlace} */
  arguments(configurationFile: string, folder: string): readonly string[];
}

/** `unix:/path` or `127.0.0.1:9000`, with what stands before a path in that server's language. */
export function textOf(pool: FcgiAddress, beforePath: string): string {
  return typeof pool === 'string' ? `${beforePath}${pool}` : `${pool.host}:${pool.port}`;
}
