/** What a pattern needs of the disk. */
export interface GlobDisk {
  /**
   * Names in a directory, without `.` and `..`.
   *
   * @throws what the system refuses, with its `code`
   */
  readonly list: (directory: string) => readonly string[];
  readonly exists: (path: string) => boolean;
  readonly isDirectory: (path: string) => boolean;
}

/** A directory cannot be read; has the number of glob(3) for that, `GLOB_ABORTED`. */
export class GlobAborted extends Error {
  readonly result = 2;
}

/**
 * Files that match a pattern of `*`, `?` and `[...]`, sorted by their bytes; directories are left out.
 * Like glob(3) with GLOB_ERR: a directory that the pattern has to list and that is not there or can not
 * be read is an error; a file in the place of a directory is no match.
 *
 * @throws GlobAborted
 */
export function expandGlob(pattern: string, disk: GlobDisk): string[] {
  return expandFrom(pattern.startsWith('/') ? '/' : '', segmentsOf(pattern), disk)
    .filter((path) => disk.exists(path) && !disk.isDirectory(path))
    .sort(byBytes);
}

function segmentsOf(pattern: string): string[] {
  return pattern.split('/').filter((segment) => segment !== '');
}

/** @param base ends with `/`, or is empty for the current directory */
function expandFrom(base: string, segments: readonly string[], disk: GlobDisk): string[] {
  const [segment, ...rest] = segments;
  if (segment === undefined) return [];
  const names = isPattern(segment) ? namesMatching(base, segment, disk) : [segment.replace(/\\(.)/g, '$1')];
  if (rest.length === 0) return names.map((name) => base + name);
  const directories = isPattern(segment) ? names.filter((name) => disk.isDirectory(base + name)) : names;
  return directories.flatMap((name) => expandFrom(`${base}${name}/`, rest, disk));
}

function isPattern(segment: string): boolean {
  return /[*?[]/.test(segment);
}

function namesMatching(base: string, segment: string, disk: GlobDisk): string[] {
  const matcher = segmentMatcher(segment);
  const hidden = segment.startsWith('.');
  return namesIn(base, disk).filter((name) => (hidden || !name.startsWith('.')) && matcher.test(name));
}

function namesIn(base: string, disk: GlobDisk): readonly string[] {
  try {
    return disk.list(base === '' ? '.' : base);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw new GlobAborted(`can not list ${base}`, { cause: error });
  }
}

/** One segment as a regular expression; a bracket that is never closed is an ordinary character. */
function segmentMatcher(segment: string): RegExp {
  const source = segment.replace(
    /\\(.)|\[([!^]?)(\]?[^\]]*)\]|([*?])|(.)/gs,
    (_match, escaped?: string, not?: string, set?: string, wildcard?: string, other?: string) => {
      if (set !== undefined) {
        return `[${not === '' ? '' : '^'}${set.replace(/[\\\]^[]/g, '\\$&')}]`;
      }
      if (wildcard !== undefined) return wildcard === '*' ? '.*' : '.';
      return (escaped ?? other ?? '').replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    },
  );
  try {
    return new RegExp(`^${source}$`, 's');
  } catch {
    return NOTHING; // a range like [z-a], which matches nothing in glob(3) either
  }
}

const NOTHING = /(?!)/;

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
