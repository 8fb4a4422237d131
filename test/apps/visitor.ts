import { type IncomingMessage, request } from 'node:http';
import type { Milliseconds } from '../../src/units.js';

const TIMEOUT_MS: Milliseconds = 90_000;

type Fields = Readonly<Record<string, string>>;

export interface UploadedFile {
  /** Of the form's field. */
  readonly field: string;
  readonly name: string;
  readonly type: string;
  readonly content: Buffer;
}

/** One request and its whole answer. */
export class Exchange {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly statusText: string;
  /** In order, as they came. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;

  constructor(method: string, path: string, answer: IncomingMessage, body: Buffer) {
    this.method = method;
    this.path = path;
    this.status = answer.statusCode ?? 0;
    this.statusText = answer.statusMessage ?? '';
    const { rawHeaders } = answer;
    this.headers = rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? ''] as const] : [],
    );
    this.body = body;
  }

  get text(): string {
    return this.body.toString('utf8');
  }

  /** The first header of that name; '' where there is none. */
  header(wanted: string): string {
    return this.headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? '';
  }

  /** Fails unless the answer has that status and its text holds all of these. */
  expect(status: number, ...wanted: (string | RegExp)[]): this {
    const missing = wanted.filter((each) =>
      typeof each === 'string' ? !this.text.includes(each) : !each.test(this.text),
    );
    if (this.status === status && missing.length === 0) return this;
    const text = this.text
      .replace(/<script.*?<\/script>|<style.*?<\/style>|<[^>]*>|\s+/gs, ' ')
      .slice(0, 1500);
    throw new Error(
      `${this.method} ${this.path}: expected ${status}${missing.map((each) => ` and ${each}`).join('')}; got ${this.status} ` +
        `${JSON.stringify(Object.fromEntries(this.headers))} ${text.replace(/\s+/g, ' ')}`,
    );
  }

  /** What the form of this page holds in a field. */
  field(name: string): string {
    for (const [input] of this.text.matchAll(/<input\b[^>]*>/g))
      if (attribute(input, 'name') === name) return attribute(input, 'value');
    throw new Error(`${this.path} has no field ${name}`);
  }

  /** The first group of the pattern in the text. */
  find(pattern: RegExp): string {
    const found = pattern.exec(this.text)?.[1];
    if (found === undefined) throw new Error(`${this.path} does not hold ${pattern}`);
    return found;
  }
}

const attribute = (tag: string, name: string) =>
  (new RegExp(`\\s${name}=(?:"([^"]*)"|'([^']*)')`).exec(tag)?.slice(1).join('') ?? '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#039;', "'")
    .replaceAll('&amp;', '&');

/** A browser's part: cookies, forms, uploads. Follows no redirect by itself, and keeps every answer. */
export class Visitor {
  readonly exchanges: Exchange[] = [];
  readonly #base: string;
  readonly #cookies = new Map<string, string>();

  constructor(base: string) {
    this.#base = base;
  }

  get(path: string, headers: Fields = {}): Promise<Exchange> {
    return this.send('GET', path, headers);
  }

  head(path: string, headers: Fields = {}): Promise<Exchange> {
    return this.send('HEAD', path, headers);
  }

  post(path: string, fields: Fields, headers: Fields = {}): Promise<Exchange> {
    const body = Buffer.from(new URLSearchParams(fields).toString());
    return this.send('POST', path, { 'Content-Type': 'application/x-www-form-urlencoded', ...headers }, body);
  }

  /** A form with files, as multipart/form-data. */
  upload(
    path: string,
    fields: Fields,
    files: readonly UploadedFile[],
    headers: Fields = {},
  ): Promise<Exchange> {
    const boundary = '----tsfpmapps8f2c';
    const parts = [
      ...Object.entries(fields).map(([name, value]) =>
        Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
      ),
      ...files.flatMap(({ field, name, type, content }) => [
        Buffer.from(
          `--${boundary}\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\nContent-Type: ${type}\r\n\r\n`,
        ),
        content,
        Buffer.from('\r\n'),
      ]),
      Buffer.from(`--${boundary}--\r\n`),
    ];
    const type = `multipart/form-data; boundary=${boundary}`;
    return this.send('POST', path, { 'Content-Type': type, ...headers }, Buffer.concat(parts));
  }

  /** Gets what a redirect points at. */
  follow(redirect: Exchange): Promise<Exchange> {
    const location = redirect.header('location');
    if (location === '')
      throw new Error(`${redirect.method} ${redirect.path}: no redirect, ${redirect.status}`);
    return this.get(location);
  }

  async send(method: string, target: string, headers: Fields = {}, body?: Buffer): Promise<Exchange> {
    const { href, pathname, search, origin } = new URL(target, this.#base);
    if (origin !== this.#base) throw new Error(`${target} leads away from ${this.#base}`);
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const exchange = await new Promise<Exchange>((resolve, reject) => {
      const sent = request(
        href,
        {
          method,
          agent: false,
          timeout: TIMEOUT_MS,
          headers: {
            'User-Agent': 'tsfpm-apps/1.0',
            ...(cookie === '' ? {} : { Cookie: cookie }),
            ...(body === undefined ? {} : { 'Content-Length': String(body.length) }),
            ...headers,
          },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () =>
            resolve(new Exchange(method, pathname + search, answer, Buffer.concat(chunks))),
          );
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${target}: no answer in ${TIMEOUT_MS} ms`)));
      sent.on('error', reject);
      sent.end(body);
    });
    for (const [name, value] of exchange.headers) if (name.toLowerCase() === 'set-cookie') this.#keep(value);
    this.exchanges.push(exchange);
    return exchange;
  }

  #keep(cookie: string): void {
    const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(cookie) ?? [];
    const expires = /;\s*expires=([^;]*)/i.exec(cookie)?.[1];
    const isOver =
      (expires !== undefined && Date.parse(expires) < Date.now()) || /;\s*max-age=0/i.test(cookie);
    if (isOver) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  }
}
