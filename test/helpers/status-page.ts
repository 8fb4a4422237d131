import { FCGI_END_REQUEST, FCGI_STDOUT } from '../../src/fastcgi/constants.js';
import type { Daemon, DaemonResponse } from './daemon.js';
import { FastcgiConnection, type FcgiAddress, fcgiRequest, scriptParams } from './fastcgi-client.js';
import { requestBytes } from './request-bytes.js';

export interface StatusQuestion {
  /** `html&full`; default: text. */
  readonly query?: string;
  /** Default `/status`. */
  readonly path?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Default: the socket of the first pool. */
  readonly address?: FcgiAddress;
}

/** Params of a request for a page that no script makes; the script that they name is not there. */
export function statusParams(tsfpm: Daemon, question: StatusQuestion = {}): Record<string, string> {
  const { query = '', path = '/status', params } = question;
  return scriptParams(tsfpm.folder.script('no-such-script.php'), {
    SCRIPT_NAME: path,
    REQUEST_URI: path,
    QUERY_STRING: query,
    ...params,
  });
}

export async function statusRequest(tsfpm: Daemon, question: StatusQuestion = {}): Promise<DaemonResponse> {
  const { body = '', address = tsfpm.address() } = question;
  const response = await fcgiRequest(address, {
    params: statusParams(tsfpm, question),
    stdin: Buffer.from(body),
  });
  return { ...response, text: response.body.toString() };
}

/** The json page. */
export interface StatusJson {
  readonly [name: string]: unknown;
  readonly pool: string;
  readonly 'accepted conn': number;
  readonly 'listen queue': number;
  readonly 'max listen queue': number;
  readonly 'listen queue len': number;
  readonly 'idle processes': number;
  readonly 'active processes': number;
  readonly 'total processes': number;
  readonly 'max active processes': number;
  readonly 'max children reached': number;
  readonly processes?: readonly WorkerJson[];
}

export interface WorkerJson {
  readonly [name: string]: unknown;
  readonly pid: number;
  readonly state: string;
  readonly requests: number;
  readonly 'request uri': string;
}

/** The json page's values; with `full` in the query those of the workers too. */
export async function statusJson(tsfpm: Daemon, question: StatusQuestion = {}): Promise<StatusJson> {
  const { query } = question;
  const { status, text } = await statusRequest(tsfpm, {
    ...question,
    query: query === undefined ? 'json' : `json&${query}`,
  });
  if (status !== 200) throw new Error(`the status page was answered with ${status}: ${text}`);
  return JSON.parse(text) as StatusJson;
}

/** What a client gets on FCGI_STDOUT, header and all. */
export async function rawAnswer(
  address: FcgiAddress,
  params: Readonly<Record<string, string>>,
  body = new Uint8Array(),
): Promise<Buffer> {
  const connection = await FastcgiConnection.open(address);
  try {
    connection.send(requestBytes({ params, body }));
    return (await readAnswer(connection)).stdout;
  } finally {
    connection.close();
  }
}

export interface RawAnswer {
  readonly requestId: number;
  readonly stdout: Buffer;
}

/** The next answer on a connection, up to its END_REQUEST. @throws Error where the connection ends before */
export async function readAnswer(connection: FastcgiConnection): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const record = await connection.nextRecord();
    if (record === undefined) throw new Error(`the connection ended after ${Buffer.concat(chunks)}`);
    if (record.type === FCGI_END_REQUEST)
      return { requestId: record.requestId, stdout: Buffer.concat(chunks) };
    if (record.type === FCGI_STDOUT) chunks.push(Buffer.from(record.content));
  }
}
