const BASIC = /^basic /i;
const NOT_BASE64 = /[^A-Za-z0-9+/]/g;

/**
 * The user of an `Authorization: Basic` header, read as leniently as PHP does. Latin-1 in and out.
 *
 * @returns empty where there is none
 */
export function basicUser(authorization: string): string {
  if (!BASIC.test(authorization)) return '';
  const encoded = authorization.slice('basic '.length).replace(NOT_BASE64, '');
  // PHP looks for the colon in a C string, which a NUL ends.
  const [decoded = ''] = Buffer.from(encoded, 'base64').toString('latin1').split('\0', 1);
  const colon = decoded.indexOf(':');
  return colon < 0 ? '' : decoded.slice(0, colon);
}
