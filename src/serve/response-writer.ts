import type { ServerResponse } from 'node:http';
import { ProtocolError } from '../errors.js';
import type { ResponseHead } from '../fastcgi/response.js';

/** Headers about one connection only, which node:http sets for the browser itself (RFC 9110 section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Writes a CGI answer to a browser, as fast as the browser reads, with no more body than its Content-Length says. */
export class ResponseWriter {
  readonly #response: ServerResponse;
  /** Bytes still due by the script's own Content-Length; undefined where it sent none. */
  #dueBytes: number | undefined;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /**
   * A piece of the body, with the head before the first.
   *
   * @returns when the browser takes more, or has gone
   * @throws ProtocolError a status that is no final one
   */
  async write(head: ResponseHead, piece: Buffer): Promise<void> {
    this.#begin(head);
    // Bytes beyond the announced length would look like the beginning of the next response.
    const bytes = piece.subarray(0, this.#dueBytes);
    if (this.#dueBytes !== undefined) this.#dueBytes -= bytes.length;
    // An empty piece is written too: it sends the head, if a script flushes that first. Not by flushHeaders(), which
    // would encode header values above ASCII as UTF-8.
    if (this.#takesBody && !this.#response.write(bytes)) await drained(this.#response);
  }

  /** @throws ProtocolError a status that is no final one, a body shorter than announced */
  end(head: ResponseHead): void {
    this.#begin(head);
    if (this.#takesBody && this.#dueBytes !== undefined && this.#dueBytes > 0) {
      throw new ProtocolError(`the response is ${this.#dueBytes} bytes shorter than its Content-Length`);
    }
    this.#response.end();
  }

  get #takesBody(): boolean {
    const { req, statusCode } = this.#response;
    return req.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304;
  }

  #begin({ status, reason, headers }: ResponseHead): void {
    if (this.#response.headersSent) return;
    if (status < 200) {
      throw new ProtocolError(`status ${status} cannot end a request`);
    }
    const forwarded = headers.filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()));
    const length = contentLength(forwarded);
    const kept = forwarded.filter(([name]) => length !== undefined || !isContentLength(name));
    this.#dueBytes = length;
    // Flat, as node:http wants a list in which names repeat.
    const flat = kept.flat();
    if (reason === undefined) {
      this.#response.writeHead(status, flat);
    } else {
      this.#response.writeHead(status, reason, flat);
    }
  }
}

/** The script's Content-Length; undefined for none, or for one that is not possible. */
function contentLength(headers: ResponseHead['headers']): number | undefined {
  const values = headers.filter(([name]) => isContentLength(name)).map(([, value]) => value);
  const [value] = values;
  const isUsable = values.length === 1 && value !== undefined && /^[0-9]{1,15}$/.test(value);
  return isUsable ? Number(value) : undefined;
}

function isContentLength(name: string): boolean {
  return name.toLowerCase() === 'content-length';
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle);
      response.off('close', settle);
      resolve();
    };
    response.on('drain', settle);
    response.on('close', settle);
    if (response.destroyed) settle();
  });
}
