// Makes dist/package/tsfpm_VERSION_ARCH.deb of a built checkout: npm run package:deb. Needs dpkg-deb; nothing is fetched.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'conf', 'debian');
const folder = join(root, 'dist', 'package');
const tree = join(folder, 'tree');
const {
  name: packageName,
  version: ownVersion,
  type,
  engines,
} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Tests make one that is newer than the checkout. */
const version = process.env.TSFPM_PACKAGE_VERSION ?? ownVersion;
/** A '~' sorts before the release of that number. What follows the last '-' is the packaging's own version. */
const debianVersion = `${version.replaceAll('-', '~')}-1`;
const machine = command('dpkg', ['--print-architecture']).trim();
const LIBRARY = 'usr/lib/tsfpm';
const PROGRAMS = [`${LIBRARY}/bin/tsfpm`, `${LIBRARY}/dist/runtime/tsfpm-keeper`];
/** What is taken of npm packages; nothing loads their sources, types and documents. */
const USEFUL = /\.(?:[cm]?js|json|node)$|^licen[cs]e(?:\.\w+)?$/i;
const NEEDLESS_FOLDERS = ['test', 'tests', 'bench', 'benchmarks', 'doc', 'docs', 'examples', 'scripts'];

for (const need of ['dist/src/cli/main.js', 'dist/runtime/tsfpm-runtime.so', 'node_modules'])
  if (!existsSync(join(root, need))) fail(`${need} is missing: npm ci && npm run build comes first`);

const { unitFor } = await import('../dist/src/systemd/unit-file.js');
rmSync(folder, { recursive: true, force: true });
putProgram();
putConfiguration();
putManual();
putDocuments();
putControl();
const file = join(folder, `tsfpm_${debianVersion}_${machine}.deb`);
command('dpkg-deb', ['--build', '--root-owner-group', '-Zxz', tree, file]);
rmSync(tree, { recursive: true });
console.log(relative(root, file));

function putProgram() {
  write(`${LIBRARY}/package.json`, JSON.stringify({ name: packageName, version, type, engines }, null, 2));
  for (const name of ['bin/tsfpm', 'dist/src', 'dist/runtime', 'conf/demo', 'conf/tsfpm.service'])
    if (existsSync(join(root, name))) copy(join(root, name), `${LIBRARY}/${name}`);
  for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }))
    if (/\.(?:css|html|mjs|php)$/.test(name)) copy(join(root, 'src', name), `${LIBRARY}/src/${name}`);
  // What npm installs without --omit=dev is more than the daemon needs.
  const packages = command('npm', ['ls', '--omit=dev', '--all', '--parseable'])
    .split('\n')
    .map((path) => relative(root, path))
    .filter((path) => path.startsWith('node_modules/'));
  if (packages.length === 0) fail('npm ls names no production dependency');
  for (const path of packages)
    cpSync(join(root, path), place(`${LIBRARY}/${path}`), {
      recursive: true,
      filter: isUseful,
    });
  for (const name of readdirSync(join(root, 'dist/runtime'))) strip(`${LIBRARY}/dist/runtime/${name}`);
  mkdirSync(join(tree, 'usr/bin'), { recursive: true });
  symlinkSync('../lib/tsfpm/bin/tsfpm', join(tree, 'usr/bin/tsfpm'));
}

function isUseful(from) {
  const name = basename(from);
  if (statSync(from).isDirectory()) return !NEEDLESS_FOLDERS.includes(name) && !name.startsWith('musl_');
  return USEFUL.test(name) && !/test\.|eslint|^tsconfig|^cnoke|^bin\.js$/.test(name);
}

function putConfiguration() {
  copy(join(source, 'etc'), 'etc/tsfpm');
  copy(join(source, 'logrotate'), 'etc/logrotate.d/tsfpm');
  copy(join(source, 'tmpfiles'), 'usr/lib/tmpfiles.d/tsfpm.conf');
  const service = readFileSync(join(root, 'conf/tsfpm.service'), 'utf8');
  const places = { program: '/usr/bin/tsfpm', config: '/etc/tsfpm/tsfpm.conf', nodeFolder: undefined };
  write('usr/lib/systemd/system/tsfpm.service', unitFor(service, places));
  copy(join(root, 'conf/tsfpm.socket'), 'usr/lib/systemd/system/tsfpm.socket');
  mkdirSync(join(tree, 'var/log/tsfpm'), { recursive: true });
  chmodSync(join(tree, 'var/log/tsfpm'), 0o750);
}

function putManual() {
  const pages = join(folder, 'manual');
  command(process.execPath, [join(root, 'dist/src/manual/write.js'), pages]);
  for (const name of readdirSync(pages))
    write(`usr/share/man/man${name.slice(-1)}/${name}.gz`, compressed(readFileSync(join(pages, name))));
  rmSync(pages, { recursive: true });
}

function putDocuments() {
  const documents = 'usr/share/doc/tsfpm';
  const license = readFileSync(join(root, 'LICENSE'), 'utf8').trimEnd().split('\n');
  const copyright = license.map((line) => ` ${line || '.'}`).join('\n');
  write(
    `${documents}/copyright`,
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n' +
      `\nFiles: *\nCopyright: ${license.find((line) => line.startsWith('Copyright'))?.replace('Copyright (c) ', '')}\n` +
      `License: Expat\n${copyright}\n`,
  );
  write(`${documents}/changelog.gz`, compressed(readFileSync(join(root, 'CHANGELOG.md'))));
  const maintainer = /^Maintainer: (.*)$/m.exec(readFileSync(join(source, 'control'), 'utf8'))?.[1];
  write(
    `${documents}/changelog.Debian.gz`,
    compressed(
      `tsfpm (${debianVersion}) unstable; urgency=medium\n\n  * What has changed is in changelog.gz.\n\n` +
        ` -- ${maintainer}  ${new Date().toUTCString().replace('GMT', '+0000')}\n`,
    ),
  );
  copy(join(root, 'README.md'), `${documents}/README.md`);
  copy(join(root, 'docs'), `${documents}/docs`);
  copy(join(root, 'conf/tsfpm.conf'), `${documents}/examples/tsfpm.conf`);
  write('usr/share/lintian/overrides/tsfpm', readFileSync(join(source, 'lintian-overrides'), 'utf8'));
}

function putControl() {
  // Modes first: a package holds what the umask of whoever made it left otherwise.
  setModes(tree);
  const size = Math.ceil(Number(command('du', ['-sk', '--apparent-size', tree]).split('\t')[0]));
  const control = readFileSync(join(source, 'control'), 'utf8')
    .replace('@VERSION@', debianVersion)
    .replace('@ARCH@', machine)
    .replace('@SIZE@', String(size));
  write('DEBIAN/control', control);
  write('DEBIAN/conffiles', readFileSync(join(source, 'conffiles'), 'utf8'));
  for (const name of ['postinst', 'prerm', 'postrm']) {
    write(`DEBIAN/${name}`, readFileSync(join(source, name), 'utf8'));
    chmodSync(join(tree, 'DEBIAN', name), 0o755);
  }
  const files = readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)))
    .filter((path) => !path.startsWith('DEBIAN/'))
    .sort();
  const sums = spawnSync('md5sum', files, { cwd: tree, encoding: 'utf8' });
  if (sums.status !== 0) fail(`md5sum: ${sums.stderr}`);
  write('DEBIAN/md5sums', sums.stdout);
}

function setModes(path) {
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    const at = join(entry.parentPath, entry.name);
    if (entry.isDirectory() && !at.endsWith('var/log/tsfpm')) chmodSync(at, 0o755);
    else if (entry.isFile()) chmodSync(at, PROGRAMS.includes(relative(tree, at)) ? 0o755 : 0o644);
  }
}

function strip(path) {
  if (spawnSync('strip', ['--strip-unneeded', join(tree, path)]).status !== 0)
    console.error(`${path} keeps its debugging symbols: there is no strip`);
}

function compressed(bytes) {
  return gzipSync(bytes, { level: 9 });
}

function copy(from, to) {
  const at = place(to);
  if (statSync(from).isDirectory()) mkdirSync(at, { recursive: true });
  cpSync(from, at, { recursive: true });
}

function write(path, content) {
  writeFileSync(place(path), content);
}

/** The path in the package; its folder is there. */
function place(path) {
  const at = join(tree, path);
  mkdirSync(dirname(at), { recursive: true });
  return at;
}

function command(program, args) {
  try {
    return execFileSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  } catch (error) {
    return fail(`cannot run ${program}: ${error.message.split('\n')[0]}`);
  }
}

function fail(message) {
  console.error(`package:deb: ${message}`);
  process.exit(1);
}
