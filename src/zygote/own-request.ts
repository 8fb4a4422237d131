import { FCGI_RESPONDER } from '../fastcgi/constants.js';
import { encodeBeginRequest, encodeParams } from '../fastcgi/encode.js';

/** The request id of {@link encodeOwnHead}, for the body that follows. */
export const OWN_REQUEST_ID = 1;

/** A request of the master's own to a process that only it can reach. */
export interface OwnRequest {
  /** Path of the script, as a web server would name it. */
  readonly file: string;
  /** `SCRIPT_NAME` and `REQUEST_URI`. */
  readonly name: string;
  /** More params. */
  readonly params?: readonly (readonly [string, string])[];
}

/** BEGIN_REQUEST and all params. */
export function encodeOwnHead({ file, name, params = [] }: OwnRequest): Buffer {
  return Buffer.concat([
    encodeBeginRequest(OWN_REQUEST_ID, { role: FCGI_RESPONDER, flags: 0 }),
    encodeParams(OWN_REQUEST_ID, [
      ['SCRIPT_FILENAME', file],
      ['SCRIPT_NAME', name],
      ['REQUEST_METHOD', 'GET'],
      ['REQUEST_URI', name],
      ['QUERY_STRING', ''],
      ['SERVER_PROTOCOL', 'HTTP/1.1'],
      ['GATEWAY_INTERFACE', 'CGI/1.1'],
      ['SERVER_SOFTWARE', 'tsfpm'],
      ...params,
    ]),
  ]);
}
