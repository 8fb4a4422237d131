import type { Bytes, Count } from '../units.js';

// What an errand says of the scripts in opcache, and is asked to compile. Paths are bytes, kept as latin1.

/** Scripts that are listed: more take the master too long to sort, and only a forged list has more by far. */
const MOST_LISTED: Count = 20_000;

/** Lists what opcache holds: for each script its hits, the time of its last use, and its path. */
export const LIST_SCRIPTS = `(function () {
  $status = tsfpm_opcache_get_status(true);
  $text = '';
  $left = ${MOST_LISTED};
  foreach ($status['scripts'] ?? [] as $script) {
    if ($left-- === 0) break;
    $text .= $script['hits'] . ' ' . $script['last_used_timestamp'] . ' ' . $script['full_path'] . "\\0";
  }
  return $text;
})()`;

/** PATH_MAX */
const LONGEST_PATH: Bytes = 4096;

/**
 * @param answer to {@link LIST_SCRIPTS}, from a process of the pool's user: what is no such entry is left out
 * @returns paths of the scripts that are most worth having, the best first: by hits, then by the last use
 */
export function mostUsedScripts(answer: Buffer, most: Count): string[] {
  const scripts: { readonly hits: number; readonly lastUsed: number; readonly path: string }[] = [];
  for (const entry of answer.toString('latin1').split('\0', MOST_LISTED)) {
    const [, hits, lastUsed, path] = /^(\d{1,15}) (\d{1,15}) (\/.*)$/s.exec(entry) ?? [];
    if (path === undefined || path.length >= LONGEST_PATH) continue;
    scripts.push({ hits: Number(hits), lastUsed: Number(lastUsed), path });
  }
  scripts.sort((a, b) => b.hits - a.hits || b.lastUsed - a.lastUsed);
  return scripts.slice(0, most).map(({ path }) => path);
}

/**
 * Compiles each of them without running it, as long as there is time; how many it did comes back as digits. A script
 * that cannot be compiled, or is not there, is passed over. Half of opcache's memory is left: after a deploy into
 * another folder the paths are those of a release that nobody asks for any more, and opcache would not let go of it.
 */
export function compileScripts(paths: readonly string[]): string {
  return `(function () {
  $count = 0;
  foreach ([${paths.map(quoted).join(',')}] as $path) {
    $memory = tsfpm_opcache_get_status(false)['memory_usage'] ?? null;
    if ($memory === null || $memory['free_memory'] < $memory['used_memory'] || !tsfpm_may_go_on()) break;
    try {
      if (tsfpm_opcache_compile_file($path)) $count++;
    } catch (\\Throwable $error) {}
  }
  return "$count";
})()`;
}

/** In single quotes PHP knows two escapes, and NUL is not in a path. */
function quoted(path: string): string {
  return `'${path.replace(/[\\']/g, '\\$&')}'`;
}
