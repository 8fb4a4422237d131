import { realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** What a request path stands for. */
export type Target =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'script'; readonly scriptName: string; readonly pathInfo: string }
  /** A folder was asked for without its slash; the location is a path, percent-encoded. */
  | { readonly kind: 'redirect'; readonly location: string }
  | { readonly kind: 'missing' }
  /** The path has percent signs that encode nothing. */
  | { readonly kind: 'malformed' };

type EntryKind = 'file' | 'folder' | 'none';

const SCRIPT_NAME = /\.php$/i;
const INDEX_NAMES = ['index.php', 'index.html'];

/**
 * Finds what a request path stands for below a document root, as `php -S` and a usual nginx do: a file, a `.php` script
 * with the rest as PATH_INFO, a folder's index, else the front controller `/index.php`.
 *
 * Never leaves the root: `..` in any spelling, NUL, dotfiles and symbolic links that lead out are missing, and are not
 * handed to the front controller either.
 *
 * @param root the document root, resolved by `realpath`
 * @param requestPath as in the request line, up to the `?`
 */
export async function locate(root: string, requestPath: string): Promise<Target> {
  const decoded = decodePath(requestPath);
  if (decoded === undefined) {
    return { kind: 'malformed' };
  }
  const segments = decoded.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (!decoded.startsWith('/') || decoded.includes('\0') || segments.includes('..')) {
    return { kind: 'missing' };
  }
  const endsInSlash = /\/\.?$/.test(decoded);

  let path = '';
  for (const [index, segment] of segments.entries()) {
    if (segment.startsWith('.')) {
      return { kind: 'missing' };
    }
    path += `/${segment}`;
    const isLast = index === segments.length - 1;
    const entry = await entryKind(root, path);
    if (entry === 'folder') continue;
    if (entry === 'file' && SCRIPT_NAME.test(segment)) {
      return { kind: 'script', scriptName: path, pathInfo: restOf(segments, index + 1, endsInSlash) };
    }
    if (entry === 'file' && isLast && !endsInSlash) {
      return { kind: 'file', path: join(root, path) };
    }
    return frontController(root, segments, endsInSlash);
  }
  return locateFolder(root, path, endsInSlash);
}

/** Percent-decoded; undefined where that is not possible. */
function decodePath(requestPath: string): string | undefined {
  try {
    return decodeURIComponent(requestPath);
  } catch {
    return undefined; // URIError, the only one that decodeURIComponent throws
  }
}

async function locateFolder(root: string, path: string, endsInSlash: boolean): Promise<Target> {
  for (const name of INDEX_NAMES) {
    const index = `${path}/${name}`;
    if ((await entryKind(root, index)) !== 'file') continue;
    if (!endsInSlash) {
      return { kind: 'redirect', location: `${encodePath(path)}/` };
    }
    return SCRIPT_NAME.test(name)
      ? { kind: 'script', scriptName: index, pathInfo: '' }
      : { kind: 'file', path: join(root, index) };
  }
  return { kind: 'missing' };
}

/**
 * `/index.php`, with the whole path as its PATH_INFO, for a path that does not exist.
 *
 * A name with a dot does not go there, as in `php -S`: a missing style sheet should be a 404, not a page.
 */
async function frontController(
  root: string,
  segments: readonly string[],
  endsInSlash: boolean,
): Promise<Target> {
  const looksLikeFile = segments.at(-1)?.includes('.') === true;
  const leadsOut = segments.some((segment) => segment.startsWith('.'));
  if (looksLikeFile || leadsOut || (await entryKind(root, '/index.php')) !== 'file') {
    return { kind: 'missing' };
  }
  return { kind: 'script', scriptName: '/index.php', pathInfo: restOf(segments, 0, endsInSlash) };
}

function restOf(segments: readonly string[], from: number, endsInSlash: boolean): string {
  const rest = segments.slice(from).map((segment) => `/${segment}`);
  return rest.join('') + (endsInSlash ? '/' : '');
}

/** The type of a path below the root; `none` if it leads out of the root, or is a device, pipe or socket. */
async function entryKind(root: string, path: string): Promise<EntryKind> {
  try {
    const real = await realpath(root + path);
    if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep)) return 'none';
    const entry = await stat(real);
    return entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'none';
  } catch {
    return 'none'; // ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG: the answer is the same for all of them
  }
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}
