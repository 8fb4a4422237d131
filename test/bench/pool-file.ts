import type { Site } from './site.js';
import type { PoolSettings } from './subject.js';

/** As many as php-fpm takes by default; given to all subjects. */
export const LISTEN_BACKLOG = 511;

/** Where the pool of that number listens, if the first listens at `address`. */
export function poolAddress(address: string, index: number): string {
  return index === 0 ? address : `${address}.${index}`;
}

/**
 * A configuration file as php-fpm reads it.
 *
 * @param extra pool directives that only one of its readers knows
 */
export function poolFile(
  site: Pick<Site, 'workerUser'>,
  pool: PoolSettings,
  files: { readonly address: string; readonly logFile: string },
  extra: Readonly<Record<string, string>> = {},
): string {
  const owner = site.workerUser;
  const global = { error_log: files.logFile, log_level: 'notice' };
  const directives = (address: string) => ({
    ...(owner !== undefined && { user: owner, group: owner }),
    listen: address,
    'listen.backlog': `${LISTEN_BACKLOG}`,
    ...(owner !== undefined && { 'listen.owner': owner, 'listen.group': owner }),
    pm: pool.pm,
    'pm.max_children': `${pool.maxChildren}`,
    'pm.max_requests': '0',
    ...pool.directives,
    ...extra,
  });
  const lines = (entries: object) => Object.entries(entries).map(([name, value]) => `${name} = ${value}`);
  const pools = Array.from({ length: pool.pools ?? 1 }, (_, index) => [
    index === 0 ? '[www]' : `[www${index}]`,
    ...lines(directives(poolAddress(files.address, index))),
  ]);
  return [['[global]', ...lines(global)], ...pools]
    .map((section) => `${section.join('\n')}\n`)
    .join('\n')
    .replaceAll('{address}', files.address);
}
