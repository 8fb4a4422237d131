import type { Config } from '../../../src/config/config.js';
import { type ConfigDisk, type LoadOptions, type LoadResult, loadConfig } from '../../../src/config/load.js';

/** Files and directories of a test; a directory is there when it is named or when a file is in it. */
export function memoryDisk(
  files: Readonly<Record<string, string | Uint8Array>>,
  directories: string[] = [],
): ConfigDisk {
  const withoutSlash = (path: string) => (path === '/' ? path : path.replace(/\/+/g, '/').replace(/\/$/, ''));
  const isDirectory = (path: string) => {
    const name = withoutSlash(path);
    const inside = name === '/' ? '/' : `${name}/`;
    return directories.includes(name) || Object.keys(files).some((file) => file.startsWith(inside));
  };
  return {
    isDirectory,
    exists: (path) => Object.hasOwn(files, withoutSlash(path)) || isDirectory(path),
    list: (directory) => {
      if (!isDirectory(directory))
        throw systemError(Object.hasOwn(files, withoutSlash(directory)) ? 'ENOTDIR' : 'ENOENT', 2);
      const inside = withoutSlash(directory) === '/' ? '/' : `${withoutSlash(directory)}/`;
      const below = Object.keys(files).filter((file) => file.startsWith(inside));
      return [...new Set(below.map((file) => file.slice(inside.length).split('/')[0] ?? ''))];
    },
    read: (path) => {
      const content = files[path];
      if (content === undefined) throw systemError('ENOENT', 2);
      return typeof content === 'string' ? Buffer.from(content) : content;
    },
  };
}

export function systemError(code: string, errno: number): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code, errno: -errno });
}

/** Files that a configuration names are none of the test's, but for one folder that is not there. */
function touchLog(path: string): void {
  if (path.startsWith('/nowhere/')) throw systemError('ENOENT', 2);
}

/** Loads `text` as the file `t.conf`, by root. */
export function loadText(
  text: string,
  options: Partial<LoadOptions> = {},
  directories: string[] = [],
): LoadResult {
  return loadConfig({
    file: 't.conf',
    environment: {},
    allowRoot: false,
    isRoot: true,
    touchLog,
    disk: memoryDisk({ 't.conf': text }, directories),
    ...options,
  });
}

/** The Config of a text that must be right. */
export function configOf(
  text: string,
  options: Partial<LoadOptions> = {},
  directories: string[] = [],
): Config {
  const { config, problems } = loadText(text, options, directories);
  if (config === undefined) throw new Error(problems.map((problem) => problem.message).join('\n'));
  return config;
}

/** Problems as log lines without a time. */
export function linesOf({ problems }: LoadResult): string[] {
  return problems.map(({ level, message }) => `${level.toUpperCase()}: ${message}`);
}

/** The least that a pool needs. */
export const POOL = '[www]\nuser = www-data\nlisten = 9000\npm = static\npm.max_children = 3\n';
/** The line that comes after {@link POOL}. */
export const NEXT_LINE = 6;
