import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT_CONFIG, errorText } from '../errors.js';
import { runMaster } from '../main.js';
import { isRoot, userByName } from '../os/accounts.js';
import { hasCode } from '../os/libc.js';
import type { DevServer } from '../serve/dev-server.js';
import { startDevServer } from '../serve/dev-server.js';

/** The checkout, seen from dist/src/cli/. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const WEB_USER = 'www-data';
const WORKERS = 4;
/** opcache does not keep a file that was modified in the last two seconds. */
const AGE_S = 60;

/** `tsfpm serve`: a directory, by a web server for development with a pool of its own behind it. */
export function serve(docroot: string, port: number): Promise<number> {
  const root = resolve(docroot);
  return withScratchFolder((folder) =>
    runBehindServer({
      docroot: root,
      port,
      isPortFixed: true,
      socket: join(folder, 'www.sock'),
      file: writeConfig(folder, [
        '[global]',
        'daemonize = no',
        'log_level = warning',
        `error_log = ${join(folder, 'tsfpm.log')}`,
        '[www]',
        ...identityLines(root),
        `listen = ${join(folder, 'www.sock')}`,
        'pm = static',
        `pm.max_children = ${WORKERS}`,
        'catch_workers_output = yes',
      ]),
    }),
  );
}

/** `tsfpm demo`: the shipped configuration and a page that PHP makes, as `npm start` shows it. */
export function demo(port: number): Promise<number> {
  return withScratchFolder((folder) => {
    const docroot = join(folder, 'htdocs');
    mkdirSync(docroot);
    // The page is copied, since the pool's user may not be able to read the checkout.
    const page = join(docroot, 'index.php');
    copyFileSync(join(ROOT, 'conf/demo/index.php'), page);
    chmodSync(page, 0o644);
    const aged = Date.now() / 1000 - AGE_S;
    utimesSync(page, aged, aged);
    return runBehindServer({
      docroot,
      port,
      isPortFixed: false,
      socket: join(folder, 'www.sock'),
      file: writeConfig(folder, [
        `include = ${join(ROOT, 'conf/tsfpm.conf')}`,
        '[global]',
        'daemonize = no',
        `error_log = ${join(folder, 'tsfpm.log')}`,
        '[www]',
        `listen = ${join(folder, 'www.sock')}`,
        'env[TSFPM_POOL] = $pool',
      ]),
    });
  });
}

/** The pool runs as the owner of the directory; if that is root, as the usual web user. */
function identityLines(docroot: string): string[] {
  if (!isRoot()) return [];
  const { uid, gid } = statSync(docroot, { throwIfNoEntry: false }) ?? { uid: 0, gid: 0 };
  if (uid !== 0) return [`user = ${uid}`, `group = ${gid}`];
  return [`user = ${userByName(WEB_USER) === undefined ? 'nobody' : WEB_USER}`];
}

function writeConfig(folder: string, lines: readonly string[]): string {
  const file = join(folder, 'tsfpm.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

async function withScratchFolder(work: (folder: string) => Promise<number>): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-'));
  chmodSync(folder, 0o755);
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Development {
  readonly docroot: string;
  readonly port: number;
  /** If false and the port is taken, any free port is used. */
  readonly isPortFixed: boolean;
  readonly socket: string;
  readonly file: string;
}

/** The master and the web server in one process: Ctrl-C ends both. */
async function runBehindServer(development: Development): Promise<number> {
  let server: DevServer | undefined;
  let failure: unknown;
  const open = async () => {
    try {
      server = await startOnPort(development);
      process.stdout.write(`\n  ${server.url}\n\n  For development only. Ctrl-C ends it.\n\n`);
    } catch (error) {
      failure = error;
      process.kill(process.pid, 'SIGINT');
    }
  };
  const code = await runMaster({
    file: development.file,
    prefix: undefined,
    allowRoot: false,
    pidFile: undefined,
    isForeground: true,
    isStderrForced: true,
    php: { ini: undefined, noIni: false, defines: [], profileInfo: false },
    onUp: () => void open(),
  });
  await server?.close();
  if (failure === undefined) return code;
  process.stderr.write(`tsfpm: ${errorText(failure)}\n`);
  return EXIT_CONFIG;
}

async function startOnPort({ docroot, port, isPortFixed, socket }: Development): Promise<DevServer> {
  const options = {
    docroot,
    backend: { path: socket },
    log: (line: string) => process.stdout.write(`${line}\n`),
  };
  try {
    return await startDevServer({ ...options, port });
  } catch (error) {
    if (isPortFixed || !hasCode(error, 'EADDRINUSE')) throw error;
    return startDevServer({ ...options, port: 0 });
  }
}
