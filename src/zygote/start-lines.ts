import { basename } from 'node:path';
import type { MasterLog } from '../log/master-log.js';
import { outputOf } from '../os/child.js';
import type { Count, Milliseconds } from '../units.js';
import { type Environment, withoutCgiVariables } from './environment.js';

/** More than a php-cgi without any extension needs to list its own. */
const PATIENCE_MS: Milliseconds = 10_000;

/** How a line names an extension that php-cgi could not load, or need not have. */
export interface NamedExtension {
  /** In lower case, without folder and ending. */
  readonly name: string;
  /** true: it is loaded already. false: no file was found to load, which is no fault where php-cgi has it built in. */
  readonly isLoaded: boolean;
}

const ALREADY_LOADED = [
  /\bModule ["'](?<name>[^"']+)["'](?: is)? already loaded\b/, // 7.4 without "is"
  /\bCannot load (?<name>.+) - it was already loaded/, // zend_extension
];
const NOT_FOUND = /\bUnable to load dynamic library '(?<name>[^']+)'/;

/** A line that php-cgi printed while it started, as text: it writes its warnings for a browser. */
export function startLineText(raw: string): string {
  return raw.replace(/<br \/>|<\/?b>/g, '').trim();
}

/** The extension that a start-up line of PHP is about; undefined where it is about something else. */
export function namedExtension(line: string): NamedExtension | undefined {
  const loaded = ALREADY_LOADED.map((pattern) => pattern.exec(line)?.groups?.name).find(Boolean);
  const name = loaded ?? NOT_FOUND.exec(line)?.groups?.name;
  if (name === undefined) return undefined;
  return { name: basename(name, '.so').toLowerCase(), isLoaded: loaded !== undefined };
}

/** Names of the extensions of `php-cgi -m`, in lower case. */
export function extensionNames(list: string): Set<string> {
  const names = list.split('\n').map((line) => line.trim().toLowerCase());
  return new Set(names.filter((name) => name !== '' && !name.startsWith('[')));
}

/** The extensions that are compiled into that php-cgi; none where it cannot be asked. */
export type AskBuiltIn = (binary: string) => Promise<ReadonlySet<string>>;

export function askBuiltIn(environment: Environment): AskBuiltIn {
  return async (binary) => {
    const env = withoutCgiVariables(environment);
    const options = { env, timeout: PATIENCE_MS, killSignal: 'SIGKILL' } as const;
    return extensionNames(await outputOf(binary, ['-n', '-m'], options));
  };
}

/** Most names that are remembered. A preloaded script may print any number of lines that look like these. */
const MOST_NAMES: Count = 64;

/**
 * Logs what the php-cgi of one pool, or a template, prints while it starts, as WARNINGs. Only once, as a NOTICE, it
 * logs that an extension is named which php-cgi has anyway: that is no fault, since configurations are written for
 * more than one build of PHP.
 */
export class StartLines {
  readonly #pool: string | undefined;
  readonly #log: MasterLog;
  readonly #askBuiltIn: AskBuiltIn;
  readonly #told = new Set<string>();
  /** By binary and name. */
  readonly #isBuiltIn = new Map<string, Promise<boolean>>();

  /** @param pool undefined for a template */
  constructor(pool: string | undefined, log: MasterLog, ask: AskBuiltIn) {
    this.#pool = pool;
    this.#log = log;
    this.#askBuiltIn = ask;
  }

  /** A line about an extension that was not found may be logged a moment later. */
  tell(line: string, binary: string): void {
    if (line === '') return;
    const extension = namedExtension(line);
    if (extension === undefined) this.#write('warning', line);
    else if (extension.isLoaded) this.#tellOnce(extension.name, line);
    else
      void this.#hasBuiltIn(binary, extension.name).then((isBuiltIn) =>
        isBuiltIn ? this.#tellOnce(extension.name, line) : this.#write('warning', line),
      );
  }

  #hasBuiltIn(binary: string, name: string): Promise<boolean> {
    const key = `${binary}\0${name}`;
    const known = this.#isBuiltIn.get(key);
    if (known !== undefined) return known;
    if (this.#isBuiltIn.size >= MOST_NAMES) return Promise.resolve(false);
    const answer = this.#askBuiltIn(binary).then((names) => names.has(name));
    this.#isBuiltIn.set(key, answer);
    return answer;
  }

  #tellOnce(name: string, line: string): void {
    if (this.#told.has(name)) return;
    if (this.#told.size < MOST_NAMES) this.#told.add(name);
    this.#write('notice', line);
  }

  #write(level: 'notice' | 'warning', line: string): void {
    if (this.#pool === undefined) this.#log[level](`template of php-cgi: ${line}`);
    else this.#log[level](`[pool ${this.#pool}] php-cgi: ${line}`, { pool: this.#pool });
  }
}
