import { FCGI_END_REQUEST, FCGI_RESPONDER, FCGI_STDIN } from '../../../src/fastcgi/constants.js';
import {
  encodeBeginRequest,
  encodeParams,
  encodeStream,
  encodeStreamEnd,
} from '../../../src/fastcgi/encode.js';
import type { Count, Milliseconds } from '../../../src/units.js';
import { FastcgiConnection } from '../../helpers/fastcgi-client.js';
import type { Site } from '../site.js';

const REQUEST_ID = 1;
const PATIENCE_MS: Milliseconds = 60_000;

/** Requests that take as long as their client wants: pages/hold.php waits for the body. */
export class HoldingClients {
  readonly #connections: FastcgiConnection[] = [];
  readonly #address: string;
  readonly #params: Readonly<Record<string, string>>;

  constructor(address: string, site: Site) {
    this.#address = address;
    this.#params = requestParams(site, 'hold.php', { REQUEST_METHOD: 'POST', CONTENT_LENGTH: '1' });
  }

  /** Connects that many more and sends their requests, but not what ends them. */
  async add(count: Count): Promise<void> {
    for (let i = 0; i < count; i++) {
      const connection = await FastcgiConnection.open(this.#address, PATIENCE_MS);
      connection.send(requestHead(this.#params));
      this.#connections.push(connection);
    }
  }

  /** Lets all go on, and waits for their answers. @returns how many failed */
  async release(): Promise<Count> {
    const body = Buffer.concat([
      ...encodeStream(FCGI_STDIN, REQUEST_ID, Buffer.from('x')),
      encodeStreamEnd(FCGI_STDIN, REQUEST_ID),
    ]);
    const ended = this.#connections.splice(0).map(async (connection) => {
      connection.send(body);
      return (await untilAnswered(connection)) ? 0 : 1;
    });
    return (await Promise.all(ended)).reduce<number>((sum, each) => sum + each, 0);
  }

  /** Leaves without an answer. */
  abandon(): void {
    for (const connection of this.#connections.splice(0)) connection.close();
  }
}

/** One request on a connection of its own. @returns how long it took; `undefined` if it failed */
export async function timedRequest(
  address: string,
  site: Site,
  page: string,
): Promise<Milliseconds | undefined> {
  const from = performance.now();
  const connection = await FastcgiConnection.open(address, PATIENCE_MS);
  connection.send(
    Buffer.concat([requestHead(requestParams(site, page)), encodeStreamEnd(FCGI_STDIN, REQUEST_ID)]),
  );
  return (await untilAnswered(connection)) ? performance.now() - from : undefined;
}

function requestParams(
  site: Site,
  page: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    REQUEST_METHOD: 'GET',
    SCRIPT_FILENAME: `${site.pages}/${page}`,
    SCRIPT_NAME: `/${page}`,
    REQUEST_URI: `/${page}`,
    QUERY_STRING: '',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REDIRECT_STATUS: '200',
    ...more,
  };
}

function requestHead(params: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat([
    encodeBeginRequest(REQUEST_ID, { role: FCGI_RESPONDER, flags: 0 }),
    encodeParams(REQUEST_ID, Object.entries(params)),
  ]);
}

async function untilAnswered(connection: FastcgiConnection): Promise<boolean> {
  try {
    for (;;) {
      const record = await connection.nextRecord(PATIENCE_MS);
      if (record === undefined) return false;
      if (record.type === FCGI_END_REQUEST) return true;
    }
  } finally {
    connection.close();
  }
}
