import { type AccessFormat, compileAccessFormat } from './access-format.js';
import { DEFAULT_FORMAT } from './parse-format.js';

/** A pool's directives for its access log. */
export interface AccessLogSettings {
  readonly name: string;
  readonly accessLog: string | undefined;
  readonly accessFormat: string | undefined;
  readonly accessSuppressPath: readonly { readonly value: string }[];
}

/** The pool's compiled `access.format`; undefined without an access log. */
export function accessFormatOf(pool: AccessLogSettings): AccessFormat | undefined {
  if (!pool.accessLog) return undefined;
  return compileAccessFormat({
    format: pool.accessFormat ?? DEFAULT_FORMAT,
    pool: pool.name,
    suppressPaths: pool.accessSuppressPath.map(({ value }) => value),
  });
}
