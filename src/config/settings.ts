import { settingName, type UncheckedGlobal, type UncheckedPool } from './config.js';
import { type DirectiveRow, GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from './directives.js';
import type { PoolDraft, SectionDraft } from './draft.js';

/** The global section with the defaults of the table. */
export function globalSettings(draft: SectionDraft): UncheckedGlobal {
  return settings(GLOBAL_FIELDS, draft) as UncheckedGlobal;
}

/** A pool with the defaults of the table. */
export function poolSettings(draft: PoolDraft): UncheckedPool {
  const isSpawnRateSet = draft.scalars.has('pm.max_spawn_rate');
  return { name: draft.name, isSpawnRateSet, ...settings(POOL_FIELDS, draft) } as UncheckedPool;
}

const GLOBAL_FIELDS = fieldsOf(GLOBAL_DIRECTIVES);
const POOL_FIELDS = fieldsOf(POOL_DIRECTIVES);

/** The rows that are settings of their own. */
function fieldsOf(
  rows: readonly DirectiveRow[],
): readonly { readonly field: string; readonly row: DirectiveRow }[] {
  return rows
    .filter((row) => row.storedIn === undefined)
    .map((row) => ({ field: settingName(row.name), row }));
}

/** One field for each row. The types in config.ts are computed from the same rows, so the casts above are safe. */
function settings(fields: typeof POOL_FIELDS, draft: SectionDraft): Record<string, unknown> {
  return Object.fromEntries(
    fields.map(({ field, row }) => [
      field,
      row.array === undefined
        ? (draft.scalars.get(row.name) ?? row.default)
        : (draft.arrays.get(row.name) ?? []),
    ]),
  );
}
