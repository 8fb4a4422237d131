import type { GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from './directives.js';
import type { ValueKind, ValueTypes } from './values.js';

/** One `name[key] = value`; the value of a flag is `1` or `0`. The key of a list entry is empty. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

type Capitalized<S extends string> = S extends `${infer Head}${infer Rest}` ? `${Uppercase<Head>}${Rest}` : S;
type JoinAfter<S extends string, Mark extends string> = S extends `${infer Head}${Mark}${infer Rest}`
  ? `${Head}${Capitalized<JoinAfter<Rest, Mark>>}`
  : S;

/** `pm.max_children` is `pmMaxChildren`. */
export type SettingName<Name extends string> = JoinAfter<JoinAfter<Name, '.'>, '_'>;

interface Row {
  readonly name: string;
  readonly type: ValueKind;
}

type SettingOf<R extends Row> = R extends { readonly array: string }
  ? readonly KeyValue[]
  : R extends { readonly default: unknown } | { readonly required: true }
    ? ValueTypes[R['type']]
    : ValueTypes[R['type']] | undefined;

/** Flags are kept in the list of their values, so they are no settings of their own. */
type Settings<Rows extends readonly Row[]> = {
  readonly [R in Exclude<Rows[number], { readonly storedIn: string }> as SettingName<
    R['name']
  >]: SettingOf<R>;
};

/** The [global] section after checking, one field per row of {@link GLOBAL_DIRECTIVES}. */
export type GlobalConfig = Settings<typeof GLOBAL_DIRECTIVES>;

/** One pool after checking, one field per row of {@link POOL_DIRECTIVES}. Paths are absolute. */
export type PoolConfig = Settings<typeof POOL_DIRECTIVES> & {
  readonly name: string;
  /** The file sets `pm.max_spawn_rate`: only then forks are limited. */
  readonly isSpawnRateSet: boolean;
};

/** A file that has passed every check; frozen. */
export interface Config {
  /** The path as it was given on the command line. */
  readonly file: string;
  /** `--prefix`, where one was given. */
  readonly prefix: string | undefined;
  readonly global: GlobalConfig;
  /** In the order of the file. */
  readonly pools: readonly PoolConfig[];
  /** Names of the directives that the file sets, each once, in its order. */
  readonly written: readonly string[];
}

type RequiredRow = Extract<(typeof POOL_DIRECTIVES)[number], { readonly required: true }>;
type RequiredSetting = SettingName<RequiredRow['name']>;

/** A pool that is still being checked: a setting without a default may be missing. */
export type UncheckedPool = { -readonly [K in Exclude<keyof PoolConfig, RequiredSetting>]: PoolConfig[K] } & {
  -readonly [K in RequiredSetting]: PoolConfig[K] | undefined;
};

/** The global section while it is being checked. */
export type UncheckedGlobal = { -readonly [K in keyof GlobalConfig]: GlobalConfig[K] };

/** The name of a directive as a field: `request_slowlog_timeout` to `requestSlowlogTimeout`. */
export function settingName(name: string): string {
  return name.replace(/[._]([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}

/**
 * Entries in the order php-fpm applies them: last of the file first, so that of several entries for
 * one key the one that was written first is applied last and stays.
 */
export function inOrderOfApplication(entries: readonly KeyValue[]): KeyValue[] {
  return entries.toReversed();
}
