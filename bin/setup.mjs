// What `npm start`, `npm test`, `npm run test:apps` and `npm run bench` need before they can run: system packages, npm packages, the build.
// Plain JavaScript without dependencies: it runs in a fresh clone.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);

/** Programs by purpose: what to look for, and the Debian or Ubuntu packages that bring it. */
const BUILD = [
  { name: 'a C compiler', has: () => onPath('cc') || onPath('gcc'), packages: ['gcc', 'libc6-dev'] },
  { name: "the C library's headers", has: () => existsSync('/usr/include/stdio.h'), packages: ['libc6-dev'] },
];
const PHP = [{ name: 'php-cgi', has: () => onPath('php-cgi'), packages: ['php-cgi'] }];
const NGINX = { name: 'nginx', has: () => onPath('nginx'), packages: ['nginx-light'] };
/** In the names of Debian's and Ubuntu's programs. */
const PHP_VERSIONS = ['7.4', '8.0', '8.1', '8.2', '8.3', '8.4', '8.5'];
const FPM = {
  name: 'php-fpm',
  has: () => onPath('php-fpm', ...PHP_VERSIONS.map((version) => `php-fpm${version}`)),
  packages: ['php-fpm'],
};
const SPAWN = { name: 'spawn-fcgi', has: () => onPath('spawn-fcgi'), packages: ['spawn-fcgi'] };
const STRACE = { name: 'strace', has: () => onPath('strace'), packages: ['strace'] };
/** The applications of `npm run test:apps`, where Debian puts them, and the database that they use. */
const APPS = [
  { name: 'MariaDB', has: () => onPath('mariadbd'), packages: ['mariadb-server-core'] },
  { name: "PHP's mysqli", has: () => hasPhpExtension('mysqli'), packages: ['php-mysql'] },
  ...Object.entries({
    mediawiki: ['mediawiki'],
    wordpress: ['wordpress', 'wordpress-theme-twentytwentythree'],
    // dbconfig-no-thanks keeps its installation away from databases of this machine.
    phpmyadmin: ['phpmyadmin', 'dbconfig-no-thanks'],
    dokuwiki: ['dokuwiki'],
  }).map(([name, packages]) => ({ name, has: () => existsSync(`/usr/share/${name}/index.php`), packages })),
];
/** Left out, with the reason, where they cannot be installed: what needs them is skipped. */
const optional = (needs) => needs.map((need) => ({ ...need, isOptional: true }));
const SERVERS = Object.entries({
  haproxy: 'haproxy',
  lighttpd: 'lighttpd',
  apache2: 'apache2',
  caddy: 'caddy',
  h2o: 'h2o',
}).map(([name, debianPackage]) => ({ name, has: () => onPath(name), packages: [debianPackage] }));
/** Those that the benchmark asks for pages. */
const BENCH_APPS = APPS.filter(({ name }) => !['phpmyadmin', 'dokuwiki'].includes(name));
const PATCHELF = { name: 'patchelf', has: () => onPath('patchelf'), packages: ['patchelf'] };
/** Another Debian in a folder, and its systemd in a container. */
const DEBOOTSTRAP = { name: 'debootstrap', has: () => onPath('debootstrap'), packages: ['debootstrap'] };
const NSPAWN = {
  name: 'systemd-nspawn',
  has: () => onPath('systemd-nspawn'),
  packages: ['systemd-container'],
};
const CONTAINER = [NSPAWN, DEBOOTSTRAP];
const BROWSER = {
  name: 'chromium',
  has: () => onPath('chromium', 'chromium-browser', 'google-chrome'),
  packages: ['chromium'],
};
const NEEDS = {
  start: [...BUILD, ...PHP],
  test: [...BUILD, ...PHP, NGINX, STRACE],
  apps: [...BUILD, ...PHP, NGINX, FPM, ...APPS],
  php: [...BUILD, ...PHP, PATCHELF],
  package: [...BUILD, ...optional(CONTAINER)],
  node: [...BUILD, ...PHP, ...optional([DEBOOTSTRAP])],
  systemd: [...BUILD, ...optional(CONTAINER)],
  page: [...BUILD, ...PHP, NGINX, BROWSER],
  servers: [...BUILD, ...PHP, NGINX, ...optional(SERVERS)],
  bench: [...BUILD, ...PHP, FPM, SPAWN, NGINX, ...optional(BENCH_APPS)],
};

const purpose = process.argv[2] ?? 'start';
const needs = NEEDS[purpose];
if (needs === undefined)
  fail(`tsfpm: no set-up is called '${purpose}'; there are ${Object.keys(NEEDS).join(', ')}`);

checkNode();
installSystemPackages(needs);
installNpmPackages();
build();

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 17)) return;
  fail(`tsfpm needs Node 20.17 or newer; this is ${process.versions.node}`);
}

function onPath(...names) {
  const places = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return names.some((name) => places.some((place) => isExecutable(join(place, name))));
}

function hasPhpExtension(name) {
  const folder = '/usr/lib/php';
  return existsSync(folder) && readdirSync(folder).some((api) => existsSync(join(folder, api, `${name}.so`)));
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // not there
  }
}

function installSystemPackages(wanted) {
  const missing = (isOptional) =>
    wanted.filter((need) => (need.isOptional ?? false) === isOptional && !need.has());
  const isRoot = process.geteuid?.() === 0;
  const canInstall = isRoot && onPath('apt-get');
  const [required, extra] = [missing(false), missing(true)];
  if (required.length > 0 && !canInstall) {
    const packages = packagesOf(required).join(' ');
    const sudo = isRoot ? '' : 'sudo ';
    fail(
      `tsfpm: missing: ${namesOf(required)}. Install with:\n\n  ${sudo}apt-get update && ${sudo}apt-get install -y --no-install-recommends ${packages}\n`,
    );
  }
  if (canInstall && required.length + extra.length > 0) {
    apt(['update', '-qq']);
    if (required.length > 0) install(required);
    // One by one: a release may lack one of them.
    for (const need of extra) install([need]);
  }
  const still = missing(false);
  if (still.length > 0) fail(`tsfpm: still missing after the installation: ${namesOf(still)}`);
  const without = missing(true);
  if (without.length > 0)
    console.error(
      `tsfpm: goes without ${namesOf(without)} (apt-get install ${packagesOf(without).join(' ')})`,
    );
}

function namesOf(needs) {
  return needs.map(({ name }) => name).join(', ');
}

function packagesOf(needs) {
  return [...new Set(needs.flatMap((need) => need.packages))];
}

function install(needs) {
  const packages = packagesOf(needs);
  console.error(`tsfpm: installing ${packages.join(' ')} (for ${namesOf(needs)})`);
  apt(
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
    needs.every(({ isOptional }) => isOptional),
  );
}

function apt(args, mayFail = false) {
  // Services that packages bring must not start: policy-rc.d is asked first, and their ports may be in use.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  run('apt-get', args, { env }, mayFail);
}

/** npm's own record of what it installed tells whether package-lock.json has changed since. */
function installNpmPackages() {
  const installed = 'node_modules/.package-lock.json';
  const isCurrent =
    existsSync(installed) && statSync(installed).mtimeMs >= statSync('package-lock.json').mtimeMs;
  if (isCurrent && existsSync('node_modules/typescript')) return;
  const { name } = JSON.parse(readFileSync('package.json', 'utf8'));
  console.error(`tsfpm: installing the npm packages of ${name}`);
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

function build() {
  run('npm', ['run', '--silent', purpose === 'start' ? 'build' : 'build:test']);
}

function run(command, args, options = {}, mayFail = false) {
  // What these tools print is for people: stdout stays free for the program that is set up.
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (error !== undefined) fail(`tsfpm: cannot run ${command}: ${error.message}`);
  if (status !== 0 && !mayFail) fail(`tsfpm: '${command} ${args.join(' ')}' failed; see above`, status ?? 1);
}

function fail(message, code = 1) {
  console.error(message);
  process.exit(code);
}
