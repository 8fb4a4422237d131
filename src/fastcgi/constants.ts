/**
 * The numbers of FastCGI 1.0, under the names the specification gives them.
 *
 * @see https://fastcgi-archives.github.io/FastCGI_Specification.html
 */

/** The only version there is (section 8). */
export const FCGI_VERSION_1 = 1;
/** Bytes in front of each record's content (section 3.3). */
export const FCGI_HEADER_LEN = 8;
/** Largest content of one record: contentLength is 16 bits (section 3.3). */
export const FCGI_MAX_CONTENT_LEN = 65_535;
/** Largest padding of one record: paddingLength is 8 bits (section 3.3). */
export const FCGI_MAX_PADDING_LEN = 255;
/** Bytes in the body of BEGIN_REQUEST and END_REQUEST (sections 5.1, 5.5). */
export const FCGI_FIXED_BODY_LEN = 8;
/** Largest length of a name or value: 31 bits (section 3.4). */
export const FCGI_MAX_PAIR_PART_LEN = 0x7fff_ffff;

/** Web server -> application: starts a request (section 5.1). */
export const FCGI_BEGIN_REQUEST = 1;
/** Application -> web server: the request is over (section 5.5). */
export const FCGI_END_REQUEST = 3;
/** Stream of name-value pairs (section 5.2). */
export const FCGI_PARAMS = 4;
/** Stream of the request body (section 5.3). */
export const FCGI_STDIN = 5;
/** Stream of the answer (section 5.3). */
export const FCGI_STDOUT = 6;
/** Stream of error messages (section 5.3). */
export const FCGI_STDERR = 7;

/** Role of BEGIN_REQUEST: the application answers the request (section 6.2). */
export const FCGI_RESPONDER = 1;

/** Flag of BEGIN_REQUEST: the application leaves the connection open afterwards (section 5.1). */
export const FCGI_KEEP_CONN = 1;

/** Protocol statuses of END_REQUEST (section 5.5). */
export const FCGI_REQUEST_COMPLETE = 0;
const FCGI_CANT_MPX_CONN = 1;
const FCGI_OVERLOADED = 2;
const FCGI_UNKNOWN_ROLE = 3;

const PROTOCOL_STATUS_NAMES: Readonly<Record<number, string>> = {
  [FCGI_REQUEST_COMPLETE]: 'FCGI_REQUEST_COMPLETE',
  [FCGI_CANT_MPX_CONN]: 'FCGI_CANT_MPX_CONN',
  [FCGI_OVERLOADED]: 'FCGI_OVERLOADED',
  [FCGI_UNKNOWN_ROLE]: 'FCGI_UNKNOWN_ROLE',
};

/** Name of END_REQUEST's protocol status for messages: `FCGI_OVERLOADED`, or `protocol status 99`. */
export function protocolStatusName(status: number): string {
  return PROTOCOL_STATUS_NAMES[status] ?? `protocol status ${status}`;
}
