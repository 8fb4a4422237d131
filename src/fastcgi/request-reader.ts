import { ProtocolError } from '../errors.js';
import type { Bytes } from '../units.js';
import { FCGI_BEGIN_REQUEST, FCGI_PARAMS } from './constants.js';
import { decodeBeginRequest, type FcgiRecord, RecordDecoder } from './decode.js';
import { decodeParams, paramsByName } from './params.js';

const MOST_PARAMS: Bytes = 64 * 1024;

/** What a request says before its body. */
export interface RequestHead {
  readonly id: number;
  readonly keepsConnection: boolean;
  /** Bytes read as Latin-1. */
  readonly params: ReadonlyMap<string, string>;
}

/** Cuts a client's stream into requests; their bodies are of no interest. Holds at most 64 KiB of parameters. */
export class RequestReader {
  readonly #decoder = new RecordDecoder();
  readonly #onRequest: (request: RequestHead) => void;
  #id: number | undefined;
  #keepsConnection = false;
  #params: Buffer[] = [];
  #paramsLength: Bytes = 0;

  constructor(onRequest: (request: RequestHead) => void) {
    this.#onRequest = onRequest;
  }

  /** The request whose parameters are still to come; undefined between two. */
  get pendingId(): number | undefined {
    return this.#id;
  }

  /** @throws ProtocolError */
  push(chunk: Buffer): void {
    for (const record of this.#decoder.push(chunk)) this.#onRecord(record);
  }

  #onRecord({ type, requestId, content }: FcgiRecord): void {
    if (type === FCGI_BEGIN_REQUEST) {
      this.#id = requestId;
      this.#keepsConnection = decodeBeginRequest(content).keepsConnection;
      this.#params = [];
      this.#paramsLength = 0;
    } else if (type === FCGI_PARAMS && this.#id === requestId) {
      this.#onParams(requestId, content);
    }
  }

  #onParams(id: number, content: Buffer): void {
    if (content.length > 0) {
      this.#paramsLength += content.length;
      if (this.#paramsLength > MOST_PARAMS)
        throw new ProtocolError(`more than ${MOST_PARAMS} bytes of parameters`);
      this.#params.push(Buffer.from(content));
      return;
    }
    this.#id = undefined;
    const params = paramsByName(decodeParams(Buffer.concat(this.#params)), 'latin1');
    this.#onRequest({ id, keepsConnection: this.#keepsConnection, params });
  }
}
