import { once } from 'node:events';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import type { Pid } from '../../src/units.js';
import { type Daemon, startTsfpm } from './daemon.js';
import type { Settings } from './daemon-folder.js';
import { FastcgiConnection, type FcgiAddress, scriptParams } from './fastcgi-client.js';

/** What a client's connection can be: the kernel closes the two kinds differently. */
export const SOCKET_KINDS = ['unix', 'tcp'] as const;
export type SocketKind = (typeof SOCKET_KINDS)[number];

/** Tells what PHP got: method, query, and the body by length and hash; read in pieces, so it may be of any size. */
export const ECHO_PHP = `<?php
$hash = hash_init('sha1'); $length = 0;
for ($body = fopen('php://input', 'r'); ($piece = fread($body, 1 << 20)) !== false && $piece !== ''; ) {
  hash_update($hash, $piece); $length += strlen($piece);
}
echo json_encode(['pid' => getmypid(), 'method' => $_SERVER['REQUEST_METHOD'], 'query' => $_SERVER['QUERY_STRING'],
  'length' => $length, 'sha1' => hash_final($hash)]);`;

export interface Echo {
  readonly pid: Pid;
  readonly method: string;
  readonly query: string;
  readonly length: number;
  readonly sha1: string;
}

/** A port of the loopback interface that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/**
 * A daemon with one pool on a unix socket and one on TCP, named by their kinds.
 *
 * @param settings of both pools; one worker unless told
 */
export async function startTwoPools(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  settings: Settings = {},
): Promise<Daemon> {
  const common = { 'pm.max_children': 1, ...settings };
  return startTsfpm(t, {
    pools: { unix: common, tcp: { ...common, listen: `127.0.0.1:${await freePort()}` } },
    files: { 'echo.php': ECHO_PHP, ...files },
  });
}

export const getParams = (tsfpm: Daemon, script: string, query = '') =>
  scriptParams(tsfpm.folder.script(script), { QUERY_STRING: query });

export const postParams = (tsfpm: Daemon, script: string, contentLength: number, query = '') =>
  scriptParams(tsfpm.folder.script(script), {
    QUERY_STRING: query,
    REQUEST_METHOD: 'POST',
    CONTENT_TYPE: 'application/octet-stream',
    CONTENT_LENGTH: String(contentLength),
  });

/** Opens a connection that is closed after the test, whatever happens. */
export async function openConnection(
  t: TestContext,
  address: FcgiAddress,
  { staysOpen = false } = {},
): Promise<FastcgiConnection> {
  const connection = await FastcgiConnection.open(address, undefined, staysOpen);
  t.after(() => connection.close());
  return connection;
}
