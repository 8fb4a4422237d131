import { contentLength } from '../request/content-length.js';
import { LENGTH_BYTES, METHOD_BYTES, QUERY_BYTES, URI_BYTES } from '../request/limits.js';
import type { FieldList } from './fields.js';
import type { RequestRecord } from './record.js';

/** `access.suppress_path`: whether a request is left out. All conditions must hold, as in php-fpm. */
export function suppressor(paths: readonly string[], fields: FieldList): (record: RequestRecord) => boolean {
  if (paths.length === 0) return () => false;
  const asBytes = new Set(paths.map((path) => Buffer.from(path).toString('latin1')));
  const method = fields.add('PARAM', METHOD_BYTES, 'REQUEST_METHOD');
  const uri = fields.add('URI', URI_BYTES);
  const query = fields.add('PARAM', QUERY_BYTES, 'QUERY_STRING');
  const length = fields.add('PARAM', LENGTH_BYTES, 'CONTENT_LENGTH');
  return (record) =>
    asBytes.has(uri(record) ?? '') &&
    !query(record) &&
    ['GET', 'HEAD'].includes(method(record) ?? '') &&
    record.status >= 200 &&
    record.status < 300 &&
    contentLength(length(record)) === 0;
}
