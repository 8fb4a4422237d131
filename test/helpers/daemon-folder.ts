import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PHP_CGI, PHP_INI, SYSTEM_PHP_CGI } from './php-programs.js';

export const isRoot = process.geteuid?.() === 0;
/** Whom workers become when the tests run as root. */
export const WORKER_USER = 'www-data';
/** For the `skip` of a test; false runs it. */
export const unlessRoot = isRoot ? false : 'needs root, to give processes and files to other users';

/** The default, the machine's own PHP, is not named: so are most pools. */
const PHP_SETTINGS: Settings =
  PHP_CGI === SYSTEM_PHP_CGI
    ? {}
    : { php_cgi: PHP_CGI, ...(PHP_INI === undefined ? {} : { php_ini: PHP_INI }) };

/** Values as they are written; undefined takes a default of the harness out. */
export type Settings = Readonly<Record<string, string | number | undefined>>;

/** What a daemon under test is made from. `{folder}` in a value is the folder's path. */
export interface Pieces {
  /** `[global]` beyond the defaults. */
  readonly global?: Settings;
  /** By name, each beyond {@link DaemonFolder.poolSettings}; default is one pool, www. */
  readonly pools?: Readonly<Record<string, Settings>>;
  /** Lines for the end of the file, inside the last section. */
  readonly configEnd?: string;
  /** Scripts below the folder's www/; old enough for opcache to keep them. */
  readonly files?: Readonly<Record<string, string>>;
}

/**
 * A folder of one test: tsfpm.conf, www/ with scripts, sockets, logs, tmp/ for the daemon's TMPDIR, which must
 * be empty at the end, and marks/ for what scripts leave. Every user can read it; it is directly below /tmp,
 * since a socket's path is short.
 */
export class DaemonFolder {
  readonly path = mkdtempSync('/tmp/tsfpm-test-');
  readonly configFile = this.at('tsfpm.conf');

  constructor() {
    chmodSync(this.path, 0o755);
    mkdirSync(this.at('www'));
    chmodSync(this.at('www'), 0o755);
    for (const name of ['tmp', 'marks']) {
      mkdirSync(this.at(name));
      chmodSync(this.at(name), 0o1777);
    }
  }

  at(name: string): string {
    return join(this.path, name);
  }

  script(name: string): string {
    return join(this.path, 'www', name);
  }

  /** Writes or replaces a script. */
  writeScript(name: string, text: string): void {
    const path = this.script(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    chmodSync(path, text.startsWith('#!') ? 0o755 : 0o644);
    // opcache leaves alone what changed in the last seconds.
    const anHourAgo = Date.now() / 1000 - 3600;
    utimesSync(path, anHourAgo, anHourAgo);
  }

  writePieces({ global = {}, pools = { www: {} }, configEnd = '', files = {} }: Pieces): void {
    for (const [name, text] of Object.entries(files)) this.writeScript(name, text);
    const sections = [
      section('global', { error_log: this.at('error.log'), pid: this.at('tsfpm.pid'), ...global }),
      ...Object.entries(pools).map(([name, settings]) => section(name, this.poolSettings(name, settings))),
    ];
    this.writeConfig(`${sections.join('\n')}${configEnd}\n`.replaceAll('{folder}', this.path));
  }

  writeConfig(text: string): void {
    writeFileSync(this.configFile, text);
  }

  /** Everything of a pool that has to be somehow, and what this test wants. */
  poolSettings(name: string, settings: Settings): Settings {
    return {
      ...(isRoot ? { user: WORKER_USER } : {}),
      listen: this.at(`${name}.sock`),
      'listen.mode': '0666',
      pm: 'static',
      'pm.max_children': 2,
      // Not the default: what scripts print is most of what tests see of them.
      catch_workers_output: 'yes',
      decorate_workers_output: 'no',
      ...PHP_SETTINGS,
      ...settings,
    };
  }

  remove(): void {
    if (existsSync(this.path)) rmSync(this.path, { recursive: true, force: true });
  }
}

function section(name: string, settings: Settings): string {
  return `[${name}]\n${Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')}`;
}
