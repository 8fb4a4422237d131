import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { asSystemError } from '../os/libc.js';
import type { Config } from './config.js';
import { phpConstant } from './constants.js';
import type { Setting } from './draft.js';
import { decodeFile } from './file-text.js';
import { expandGlob, GlobAborted, type GlobDisk } from './glob.js';
import { absolutePath, basesFor } from './prefix.js';
import { fatal, isFatal, type Problem } from './problem.js';
import { ConfigReader, type IncludeRequest } from './reader.js';
import { validate } from './validate.js';

/** php-fpm's limit, the main file included. */
const MAX_FILES_DEEP = 5;

/** What loading needs of the disk; tests have their own. */
export interface ConfigDisk extends GlobDisk {
  /** @throws the system's error, with `code` and `errno` */
  readonly read: (path: string) => Uint8Array;
}

export interface LoadOptions {
  /** The main file, relative to the current directory. */
  readonly file: string;
  /** `--prefix`; empty is none. */
  readonly prefix?: string | undefined;
  /** A setting of the php.ini that `${NAME}` is looked up in before the environment. */
  readonly phpIni?: ((name: string) => string | undefined) | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `--allow-to-run-as-root` */
  readonly allowRoot: boolean;
  readonly isRoot: boolean;
  /** Checks that a log can be appended to, and makes the file. Default: not checked. @throws like `disk.read` */
  readonly touchLog?: (path: string) => void;
  readonly disk?: ConfigDisk;
}

/** All problems of the file, in the order of logging; `config` only if none is fatal. */
export interface LoadResult {
  readonly config?: Config;
  readonly problems: readonly Problem[];
}

/**
 * Reads the main file with all that it includes, applies defaults and prefixes, and checks everything.
 * All problems are collected; php-fpm would stop at the first fatal one. If there is a fatal one, the last problem says
 * that the file cannot be loaded, and the caller adds only what failed because of that.
 */
export function loadConfig(options: LoadOptions): LoadResult {
  const disk = options.disk ?? MACHINE_DISK;
  const prefix = options.prefix === '' ? undefined : options.prefix;
  if (prefix !== undefined && !disk.isDirectory(prefix)) {
    return { problems: [fatal(`the global prefix '${prefix}' does not exist or is not a directory`)] };
  }
  const files = new FileReader(options, basesFor(prefix).programs, disk);
  const reader = files.readMain();
  const { config, problems: afterReading } = validate(reader.draft, {
    file: options.file,
    prefix,
    isRoot: options.isRoot,
    allowRoot: options.allowRoot,
    isDirectory: disk.isDirectory,
  });
  if (reader.problems.some(isFatal)) {
    // If a file could not be read, rules about missing pools are not told: it may define them.
    const told = files.incomplete ? [] : afterReading;
    return {
      problems: [...reader.problems, ...told, fatal(`failed to load configuration file '${options.file}'`)],
    };
  }
  const problems = [
    ...reader.problems,
    ...afterReading,
    ...(config === undefined ? [] : openSlowlogs(config, options)),
  ];
  return config === undefined || problems.some(isFatal)
    ? { problems: [...problems, fatal('failed to post process the configuration')] }
    : { config, problems };
}

/** Checks that the slow logs can be opened, as php-fpm does; it opens them again at each use. */
function openSlowlogs({ pools }: Config, { touchLog }: LoadOptions): Problem[] {
  return pools.flatMap(({ name, slowlog, requestSlowlogTimeout }) => {
    if (requestSlowlogTimeout === 0 || !slowlog) return [];
    try {
      touchLog?.(slowlog);
      return [];
    } catch (error) {
      const message = `Unable to create or open slowlog(${slowlog})${asSystemError(error).suffix}`;
      return [fatal(message, { section: name, directive: 'slowlog', value: slowlog })];
    }
  });
}

/**
 * The settings of the [global] section that can be read, whatever else is wrong with the files: to find a master that
 * runs with an earlier version of them.
 *
 * @returns settings by the name of their directive, without defaults; unchecked, paths as written
 */
export function peekGlobal(options: LoadOptions): ReadonlyMap<string, Setting> {
  const { programs } = basesFor(options.prefix);
  const files = new FileReader(options, programs, options.disk ?? MACHINE_DISK);
  return files.readMain().draft.global.scalars;
}

/** The main file and its includes, depth first. */
class FileReader {
  /** True once a file could not be read. */
  incomplete = false;
  readonly #options: LoadOptions;
  readonly #base: string;
  readonly #disk: ConfigDisk;
  readonly #reader: ConfigReader;
  #depth = 0;

  constructor(options: LoadOptions, base: string, disk: ConfigDisk) {
    this.#options = options;
    this.#base = base;
    this.#disk = disk;
    const variable = (name: string) =>
      options.phpIni?.(name) ??
      (Object.hasOwn(options.environment, name) ? options.environment[name] : undefined);
    this.#reader = new ConfigReader({ variable, constant: phpConstant }, (request) => this.#include(request));
  }

  readMain(): ConfigReader {
    this.#readFile(this.#options.file);
    return this.#reader;
  }

  /** @returns whether the file and all that it includes could be read without a fatal problem */
  #readFile(file: string): boolean {
    if (file === '') return this.#fail('configuration filename is empty');
    if (this.#depth >= MAX_FILES_DEEP) {
      return this.#fail(`failed to include more than ${MAX_FILES_DEEP} files recursively`);
    }
    const before = this.#fatalCount();
    const text = this.#textOf(file);
    if (text === undefined) return false;
    this.#depth += 1;
    this.#reader.readText(file, text);
    this.#depth -= 1;
    return this.#fatalCount() === before;
  }

  #textOf(file: string): string | undefined {
    try {
      const { text, warnings } = decodeFile(file, this.#disk.read(file));
      this.#reader.problems.push(...warnings);
      return text;
    } catch (error) {
      this.#fail(`failed to open configuration file '${file}'${asSystemError(error).suffix}`);
      return undefined;
    }
  }

  #include({ pattern, file, line }: IncludeRequest): void {
    const absolute = absolutePath(pattern, this.#base);
    for (const path of this.#matches(absolute, file, line)) {
      if (!this.#readFile(path)) {
        this.#fail(`Unable to include ${path} from ${file} at line ${line}`);
      }
    }
  }

  #matches(pattern: string, file: string, line: number): string[] {
    try {
      const paths = expandGlob(pattern, this.#disk);
      if (paths.length === 0) {
        const message = `Nothing matches the include pattern '${pattern}' from ${file} at line ${line}.`;
        this.#reader.problems.push({ level: 'warning', message });
      }
      return paths;
    } catch (error) {
      if (!(error instanceof GlobAborted)) throw error;
      this.#fail(`Unable to globalize '${pattern}' (ret=${error.result}) from ${file} at line ${line}.`);
      return [];
    }
  }

  #fatalCount(): number {
    return this.#reader.problems.filter(isFatal).length;
  }

  #fail(message: string): false {
    this.incomplete = true;
    this.#reader.problems.push(fatal(message));
    return false;
  }
}

const MACHINE_DISK: ConfigDisk = {
  read: (path) => readFileSync(path),
  list: (directory) => readdirSync(directory),
  exists: (path) => statOf(path) !== undefined,
  isDirectory: (path) => statOf(path)?.isDirectory() ?? false,
};

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined; // a path that cannot be read counts as missing, for patterns and for rules
  }
}
