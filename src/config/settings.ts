import { settingName, type UncheckedGlobal, type UncheckedPool } from './config.js';
import { type DirectiveRow, GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from './directives.js';
import type { PoolDraft, SectionDraft } from './draft.js';

/** The global section with the defaults of the table. */
export function globalSettings(draft: SectionDraft): UncheckedGlobal {
  return settings(GLOBAL_DIRECTIVES, draft) as UncheckedGlobal;
}

/** A pool with the defaults of the table. */
export function poolSettings(draft: PoolDraft): UncheckedPool {
  const isSpawnRateSet = draft.scalars.has('pm.max_spawn_rate');
  return { name: draft.name, isSpawnRateSet, ...settings(POOL_DIRECTIVES, draft) } as UncheckedPool;
}

/** One field for each row. The types in config.ts are computed from the same rows, so the casts above are safe. */
function settings(rows: readonly DirectiveRow[], draft: SectionDraft): Record<string, unknown> {
  const own = rows.filter((row) => row.storedIn === undefined);
  return Object.fromEntries(
    own.map((row) => [
      settingName(row.name),
      row.array === undefined
        ? (draft.scalars.get(row.name) ?? row.default)
        : (draft.arrays.get(row.name) ?? []),
    ]),
  );
}
