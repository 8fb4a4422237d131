import type { Config } from '../config/config.js';

/** What an ordinary user's master cannot do, in php-fpm's words, one line each. */
export function directivesIgnoredWithoutRoot({ global, pools }: Config): string[] {
  const because = 'directive is ignored when FPM is not running as root';
  return [
    ...(global.processPriority === undefined ? [] : [`'process.priority' ${because}`]),
    ...pools.flatMap((pool) => {
      const asked = {
        user: pool.user,
        group: pool.group,
        chroot: pool.chroot,
        'process.priority': pool.processPriority,
      };
      return Object.entries(asked)
        .filter(([, value]) => value !== undefined && value !== '')
        .map(([name]) => `[pool ${pool.name}] '${name}' ${because}`);
    }),
  ];
}
