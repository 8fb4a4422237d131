import { type DirectiveRow, findDirective } from './directives.js';
import type { Draft, PoolDraft, SectionDraft } from './draft.js';
import { parseValueOf, printValueOf } from './values.js';

const POOL_VARIABLE = '$pool';

/**
 * Puts `name = value` into the section that is open.
 *
 * @param pool the open pool, or `undefined` in the global section
 * @returns why it is refused, in php-fpm's words, without the `[file:line]` prefix; undefined if it is not
 */
export function assignScalar(
  draft: Draft,
  pool: PoolDraft | undefined,
  name: string,
  text: string,
): string | undefined {
  const row = findDirective(pool === undefined ? 'global' : 'pool', name, false);
  if (row === undefined) {
    return `unknown entry '${name}'`;
  }
  const expanded = expandPool(row, pool, text);
  const parsed = expanded === undefined ? NO_POOL : parseValueOf(row.type, expanded);
  if ('reason' in parsed) {
    return `unable to parse value for entry '${row.name}': ${parsed.reason}`;
  }
  (pool ?? draft.global).scalars.set(row.name, parsed.value);
  draft.written.add(row.name);
  return undefined;
}

/** Puts `name[key] = value` into the open pool; see {@link assignScalar}. */
export function assignArrayEntry(
  draft: Draft,
  pool: PoolDraft | undefined,
  name: string,
  key: string,
  text: string,
): string | undefined {
  if (pool === undefined) return 'Array are not allowed in the global section';
  const row = findDirective('pool', name, true);
  if (key === '' && row?.array !== 'list') {
    return `You must provide a key for field '${name}'`;
  }
  if (row === undefined) {
    return `unknown directive '${name}'`;
  }
  if (row.array === 'list') return assignListEntry(draft, pool, row, key, text);
  if (row.name === 'env' && text === '') return 'empty value';
  const parsed = parseValueOf(row.type, expandPool(row, pool, text) ?? text);
  if ('reason' in parsed) {
    return `error while parsing '${name}[${key}]' : ${parsed.reason}`;
  }
  const value =
    typeof parsed.value === 'boolean' ? (parsed.value ? '1' : '0') : printValueOf(row.type, parsed.value);
  append(pool, row, { key, value });
  draft.written.add(row.name);
  return undefined;
}

function assignListEntry(
  draft: Draft,
  pool: PoolDraft,
  row: DirectiveRow,
  key: string,
  text: string,
): string | undefined {
  if (key !== '') {
    return `Keys provided to field '${row.name}' are ignored`;
  }
  const value = expandPool(row, pool, text) ?? text;
  if (!value.startsWith('/')) {
    return `Values provided to field '${row.name}' must begin with '/'`;
  }
  append(pool, row, { key, value });
  draft.written.add(row.name);
  return undefined;
}

const NO_POOL = { reason: "Can't use '$pool' when the pool is not defined" } as const;

/** Replaces `$pool`, in texts only. @returns `undefined` if there is a `$pool` but no pool */
function expandPool(row: DirectiveRow, pool: PoolDraft | undefined, text: string): string | undefined {
  if ((row.type !== 'string' && row.type !== 'mode') || !text.includes(POOL_VARIABLE)) return text;
  return pool === undefined ? undefined : text.replaceAll(POOL_VARIABLE, () => pool.name);
}

function append(section: SectionDraft, row: DirectiveRow, entry: { key: string; value: string }): void {
  const list = row.storedIn ?? row.name;
  const entries = section.arrays.get(list) ?? [];
  entries.push(entry);
  section.arrays.set(list, entries);
}
