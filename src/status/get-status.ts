import { type Field, type PageContent, poolFields, WORKER_FIELDS } from './fields.js';
import type { PoolStatus } from './status.js';
import type { StatusValue } from './value.js';

/** The entries of a PHP array, in its order. */
export type StatusEntries = readonly (readonly [key: string, value: StatusValue])[];

/** What `fpm_get_status()` returns: the pool's entries, then a list of arrays under `procs`. */
export interface GetStatus {
  /** Integers and times are PHP integers, percents floats, words and requests strings. */
  readonly pool: StatusEntries;
  readonly procs: readonly StatusEntries[];
}

/** Pool and workers. Strings are not escaped: PHP gets bytes, and a script that shows them escapes them. */
export function getStatus(pool: PoolStatus, content: Omit<PageContent, 'full'> = {}): GetStatus {
  return {
    pool: entries(poolFields(content), pool),
    procs: pool.processes.map((worker) => entries(WORKER_FIELDS, worker)),
  };
}

function entries<Owner>(fields: readonly Field<Owner>[], owner: Owner): StatusEntries {
  return fields.flatMap(({ element, value, keys = [{ key: element, value }] }) =>
    keys.map(({ key, value: keyValue }) => [key, keyValue(owner)] as const),
  );
}
