import { chmodSync, chownSync, cpSync, lstatSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { userByName } from '../../src/os/accounts.js';
import { Daemon, type DaemonOptions, TSFPM } from './daemon.js';
import { DaemonFolder, isRoot } from './daemon-folder.js';

const CHECKOUT = resolve(dirname(TSFPM), '..');
/** A user of every Debian that nothing here is special to. */
export const ORDINARY_USER = 'daemon';

/** Large, and of no use to a daemon. */
const DEVELOPMENT = /\/node_modules\/(?:typescript|@typescript|@biomejs|@types|fast-check)(?:\/|$)/;
/** `node bin/tsfpm` where that user can read it: a checkout below /root is copied once. */
let launcher: readonly string[] | undefined;

function readableLauncher(): readonly string[] {
  launcher ??= [process.execPath, isReadable(CHECKOUT) ? TSFPM : copyOfCheckout()];
  return launcher;
}

/** Everybody may enter it and every folder above. */
function isReadable(path: string): boolean {
  return (lstatSync(path).mode & 0o5) === 0o5 && (path === '/' || isReadable(dirname(path)));
}

function copyOfCheckout(): string {
  const folder = mkdtempSync('/tmp/tsfpm-copy-');
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['bin', 'dist/src', 'dist/runtime', 'src', 'package.json', 'node_modules'])
    cpSync(join(CHECKOUT, name), join(folder, name), {
      recursive: true,
      dereference: true,
      filter: (path) => !DEVELOPMENT.test(path),
    });
  chmodSync(folder, 0o755);
  return join(folder, 'bin/tsfpm');
}

/** For the `skip` of a test; false runs it. */
export const unlessOrdinary =
  !isRoot || isReadable(process.execPath)
    ? false
    : `needs a node that every user can run, not ${process.execPath}`;

/** The command for {@link DaemonOptions}: tsfpm as {@link ORDINARY_USER}, or as whoever runs the tests. */
export function asOrdinaryUser(): readonly [string, ...string[]] {
  const account = userByName(ORDINARY_USER);
  if (!isRoot || account === undefined) return [process.execPath, TSFPM];
  const ids = [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--no-new-privs'];
  return ['setpriv', ...ids, ...readableLauncher()];
}

/** A folder that is the user's own. */
export function ordinaryFolder(options: DaemonOptions): DaemonFolder {
  const folder = new DaemonFolder();
  folder.writePieces(options);
  const account = userByName(ORDINARY_USER);
  if (isRoot && account !== undefined) chownSync(folder.path, account.uid, account.gid);
  return folder;
}

/** Like startTsfpm, by an ordinary user. */
export async function startAsOrdinaryUser(t: TestContext, options: DaemonOptions): Promise<Daemon> {
  const daemon = new Daemon(ordinaryFolder(options), { ...options, command: asOrdinaryUser() });
  t.after(() => daemon.finish());
  await daemon.start();
  return daemon;
}
