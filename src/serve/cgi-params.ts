import type { IncomingMessage } from 'node:http';
import type { ParamInput } from '../fastcgi/encode.js';

/** What the params need besides the request itself. */
export interface ScriptRequest {
  /** Document root, absolute. */
  readonly root: string;
  /** Path of the script below the root: `/blog/index.php`. */
  readonly scriptName: string;
  /** What follows the script in the URL; empty for nothing. */
  readonly pathInfo: string;
  /** Length of the body in bytes; undefined where there is none. */
  readonly contentLength: number | undefined;
  /** SERVER_NAME. */
  readonly serverName: string;
}

/** Not sent as `HTTP_*`: these have CGI variables of their own, or concern the connection to the browser only. */
const NOT_FORWARDED = new Set(['content-type', 'content-length', 'transfer-encoding', 'proxy']);
/** A name with an underscore could pass for another header: both become the same variable. */
const FORWARDED_NAME = /^[a-z0-9-]+$/;

/**
 * The params of a request for a PHP script: those of nginx's `fastcgi_params`, and PATH_INFO where there is one.
 *
 * The `Proxy` header is left out: as HTTP_PROXY it would pass for the proxy setting of HTTP clients.
 */
export function cgiParams(request: IncomingMessage, script: ScriptRequest): ParamInput[] {
  const { socket, headers, url = '/' } = request;
  const mark = url.indexOf('?');
  const params: ParamInput[] = [
    ['SCRIPT_FILENAME', script.root + script.scriptName],
    ['QUERY_STRING', mark === -1 ? '' : url.slice(mark + 1)],
    ['REQUEST_METHOD', request.method ?? 'GET'],
    ['CONTENT_TYPE', wireBytes(headers['content-type'] ?? '')],
    ['CONTENT_LENGTH', script.contentLength === undefined ? '' : String(script.contentLength)],
    ['SCRIPT_NAME', script.scriptName],
    ['REQUEST_URI', url],
    ['DOCUMENT_URI', script.scriptName + script.pathInfo],
    ['DOCUMENT_ROOT', script.root],
    ['SERVER_PROTOCOL', `HTTP/${request.httpVersion}`],
    ['REQUEST_SCHEME', 'http'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['SERVER_SOFTWARE', 'tsfpm'],
    ['REMOTE_ADDR', socket.remoteAddress ?? ''],
    ['REMOTE_PORT', String(socket.remotePort ?? '')],
    ['SERVER_ADDR', socket.localAddress ?? ''],
    ['SERVER_PORT', String(socket.localPort ?? '')],
    ['SERVER_NAME', script.serverName],
    ['REDIRECT_STATUS', '200'],
  ];
  if (script.pathInfo !== '') params.push(['PATH_INFO', script.pathInfo]);
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && FORWARDED_NAME.test(name) && !NOT_FORWARDED.has(name)) {
      const text = Array.isArray(value) ? value.join(', ') : value;
      params.push([`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, wireBytes(text)]);
    }
  }
  return params;
}

/** The bytes that the browser sent: node:http reads header values as Latin-1. */
function wireBytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
