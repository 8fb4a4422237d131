import { unreachable } from '../errors.js';
import { chooseStatus, type StatusChoice, type StatusFormat } from './choose.js';
import type { PageContent } from './fields.js';
import { renderHtml } from './html.js';
import { renderJson } from './json.js';
import { renderOpenMetrics } from './openmetrics.js';
import type { PoolStatus } from './status.js';
import { renderText } from './text.js';
import { renderXml } from './xml.js';

export type PageHeader = readonly [name: string, value: string];

/** A whole answer, for FastCGI or HTTP. */
export interface Page {
  readonly status: number;
  readonly headers: readonly PageHeader[];
  readonly body: string | Buffer;
}

/** The parts of a request that the pages depend on. */
export interface PageRequest {
  /** REQUEST_METHOD; only `HEAD`, so spelt, is special. */
  readonly method: string;
  /** QUERY_STRING */
  readonly query: string | Buffer;
}

/** php.ini settings that show in the headers, and the version whose fields are shown. */
export interface PageSettings extends Pick<PageContent, 'hasMemoryPeak'> {
  /** `default_charset`. Default `UTF-8`, which the pages are in, whatever it says. */
  readonly charset?: string;
  /** `default_mimetype`. Default `text/html`. */
  readonly mimetype?: string;
  /** `PHP/8.2.36` where `expose_php` is on. */
  readonly poweredBy?: string | undefined;
}

const CACHE_HEADERS: readonly PageHeader[] = [
  ['Expires', 'Thu, 01 Jan 1970 00:00:00 GMT'],
  ['Cache-Control', 'no-cache, no-store, must-revalidate, max-age=0'],
];

const MIME_TYPES: Readonly<Record<StatusFormat, string>> = {
  text: 'text/plain',
  html: 'text/html',
  xml: 'text/xml',
  json: 'application/json',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The answer to a request for `pm.status_path`. */
export function statusPage(pool: PoolStatus, request: PageRequest, settings: PageSettings = {}): Page {
  if (request.method === 'HEAD') {
    return {
      status: 200,
      headers: [...poweredBy(settings), ...CACHE_HEADERS, defaultType(settings)],
      body: '',
    };
  }
  const choice = chooseStatus(request.query);
  return {
    status: 200,
    headers: [...poweredBy(settings), ...CACHE_HEADERS, contentType(MIME_TYPES[choice.format], settings)],
    body: renderStatus(pool, choice, settings),
  };
}

export function renderStatus(
  pool: PoolStatus,
  { format, full }: StatusChoice,
  { hasMemoryPeak = false }: Pick<PageContent, 'hasMemoryPeak'> = {},
): string {
  const content = { full, hasMemoryPeak };
  switch (format) {
    case 'text':
      return renderText(pool, content);
    case 'html':
      return renderHtml(pool, content);
    case 'xml':
      return renderXml(pool, content);
    case 'json':
      return renderJson(pool, content);
    case 'openmetrics':
      return renderOpenMetrics(pool, content);
    default:
      return unreachable(format);
  }
}

/** The answer to a request for `ping.path`. */
export function pingPage(
  response: string | Buffer,
  { method }: Pick<PageRequest, 'method'>,
  settings: PageSettings = {},
): Page {
  return plainPage(200, method === 'HEAD' ? '' : response, settings);
}

/** The page as a CGI answer, which is what FCGI_STDOUT carries. */
export function encodeCgiPage({ status, headers, body }: Page): Buffer {
  const statusLine = status === 200 ? [] : [`Status: ${status} ${REASONS[status] ?? 'Unknown'}`];
  const lines = [...statusLine, ...headers.map(([name, value]) => `${name}: ${value}`)];
  const head = Buffer.from(
    lines
      .map((line) => `${line}\r\n`)
      .join('')
      .concat('\r\n'),
  );
  return Buffer.concat([head, typeof body === 'string' ? Buffer.from(body) : body]);
}

const REASONS: Readonly<Record<number, string>> = { 404: 'Not Found', 500: 'Internal Server Error' };

/** A text page; php-fpm sends its type before the two other headers. */
function plainPage(status: number, body: string | Buffer, settings: PageSettings): Page {
  const headers = [...poweredBy(settings), contentType('text/plain', settings), ...CACHE_HEADERS];
  return { status, headers, body };
}

function poweredBy({ poweredBy: product }: PageSettings): PageHeader[] {
  return product === undefined ? [] : [['X-Powered-By', product]];
}

/** PHP adds the charset to a text type, and then writes the header's name with a small t. */
function contentType(type: string, { charset = 'UTF-8' }: PageSettings): PageHeader {
  return type.startsWith('text/') && charset !== ''
    ? ['Content-type', `${type};charset=${charset}`]
    : ['Content-Type', type];
}

/** The type that PHP sends if a script sets none. */
function defaultType({ charset = 'UTF-8', mimetype = 'text/html' }: PageSettings): PageHeader {
  const suffix = mimetype.startsWith('text/') && charset !== '' ? `; charset=${charset}` : '';
  return ['Content-type', `${mimetype}${suffix}`];
}
