import type { KeyValue, PoolConfig } from '../config/config.js';
import type { Problem } from '../config/problem.js';
import { isLateSetting } from './late-settings.js';
import { phpValues } from './php-arguments.js';

/** What tells a folder from all others. */
export interface FolderIdentity {
  readonly device: number;
  readonly inode: number;
}

/** undefined where the folder cannot be looked at. */
export type IdentifyFolder = (path: string) => FolderIdentity | undefined;

/** What has to be asked of the machine. */
export interface ShareLookup {
  readonly identify: IdentifyFolder;
  /** The path that `php_cgi` stands for; undefined where there is none. */
  readonly programOf: (phpCgi: string | undefined) => string | undefined;
}

const FALSE_WORDS = ['', '0', 'off', 'no', 'false', 'none'];
const SAME_PATH = 'each runs scripts of the other at the same path';

/** What is to say of pools of one `opcache.share`: which cannot share, and which share more than is safe. */
export function sharingProblems(
  pools: readonly PoolConfig[],
  { identify, programOf }: ShareLookup,
): Problem[] {
  const sharing = pools.filter(({ opcacheShare }) => opcacheShare !== undefined);
  return [...differences(sharing, programOf), ...rootsTakenForOne(sharing, identify)];
}

/** Each pool beside the first of its name. */
function differences(pools: readonly PoolConfig[], programOf: ShareLookup['programOf']): Problem[] {
  const firsts = new Map<string | undefined, PoolConfig>();
  return pools.flatMap((pool) => {
    const first = firsts.get(pool.opcacheShare) ?? pool;
    firsts.set(pool.opcacheShare, first);
    const reason = startDifference(first, pool, programOf);
    return reason === undefined
      ? dangers(first, pool).map((danger) => sharesBut(pool, first, danger))
      : warning(
          pool,
          `'opcache.share = ${pool.opcacheShare}' is not shared with pool '${first.name}': ${reason}`,
        );
  });
}

/** Why two pools are not started alike; undefined where they are. */
function startDifference(
  a: PoolConfig,
  b: PoolConfig,
  programOf: ShareLookup['programOf'],
): string | undefined {
  if (a.phpCgi !== b.phpCgi && programOf(a.phpCgi) !== programOf(b.phpCgi)) return 'it has another php_cgi';
  if (a.phpIni !== b.phpIni) return 'it has another php_ini';
  if (a.phpSapiName !== b.phpSapiName) return 'it has another php_sapi_name';
  const [ours, theirs] = [valuesAtStart(a), valuesAtStart(b)];
  const names = [...ours, ...theirs].map(({ key }) => key);
  const name = names.find((key) => lastValue(ours, key) !== lastValue(theirs, key));
  if (name !== undefined) return `it has another ${name}, which PHP takes at its start alone`;
  const order = (values: readonly KeyValue[]) => values.map(({ key }) => key).join();
  return order(ours) === order(theirs) ? undefined : 'it has its settings of PHP in another order';
}

function valuesAtStart(pool: PoolConfig): KeyValue[] {
  return phpValues(pool).filter(({ key }) => !isLateSetting(key, pool));
}

function lastValue(values: readonly KeyValue[], name: string): string | undefined {
  return values.findLast(({ key }) => key === name)?.value;
}

/** Of two pools that are started alike, with settings that are on unless they say otherwise. */
function dangers(first: PoolConfig, pool: PoolConfig): string[] {
  const values = phpValues(pool);
  const isOff = (name: string) => FALSE_WORDS.includes(lastValue(values, name)?.toLowerCase() ?? 'on');
  const found: string[] = [];
  if (rootOf(pool) !== rootOf(first) && isOff('opcache.validate_root'))
    found.push(`has another root, and opcache.validate_root is off: ${SAME_PATH}`);
  if (pool.user !== first.user && isOff('opcache.validate_permission'))
    found.push(
      'has another user, and opcache.validate_permission is off: each runs scripts that only the other may read',
    );
  return found;
}

/** opcache tells roots apart by their inode numbers, which two file systems may both have. */
function rootsTakenForOne(pools: readonly PoolConfig[], identify: IdentifyFolder): Problem[] {
  const seen = new Map<string, { readonly pool: PoolConfig; readonly device: number }>();
  return pools.flatMap((pool) => {
    const root = identify(rootOf(pool));
    if (root === undefined) return [];
    const key = `${root.inode} ${pool.opcacheShare}`;
    const other = seen.get(key) ?? { pool, device: root.device };
    seen.set(key, other);
    return other.device === root.device
      ? []
      : sharesBut(pool, other.pool, `has another root with the same inode number: ${SAME_PATH}`);
  });
}

function rootOf({ chroot }: PoolConfig): string {
  return chroot || '/';
}

function sharesBut(pool: PoolConfig, other: PoolConfig, danger: string): Problem {
  return warning(
    pool,
    `by 'opcache.share = ${pool.opcacheShare}' it shares with pool '${other.name}', but ${danger}`,
  );
}

function warning(pool: PoolConfig, text: string): Problem {
  return { level: 'warning', message: `[pool ${pool.name}] ${text}` };
}
