import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Which room may import which: the map of the house as data. `errors`, `units` and types are free everywhere.

const SOURCE = fileURLToPath(new URL('../../../src', import.meta.url));
const WIRING = ['main.ts', 'create-master.ts', 'cli'];
const FREE = ['errors.ts', 'units.ts', 'version.ts'];

/** Room -> rooms it may import from, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  upgrade: [
    'lifecycle',
    'pages',
    'pool',
    'watch',
    'zygote',
    'systemd',
    'listen',
    'config',
    'accesslog',
    'log',
    'os',
  ],
  lifecycle: [
    'reload',
    'pages',
    'pool',
    'zygote',
    'systemd',
    'control',
    'http',
    'status',
    'listen',
    'config',
    'log',
    'os',
  ],
  reload: ['pages', 'pool', 'zygote', 'listen', 'config', 'log', 'os'],
  pages: [
    'pool',
    'watch',
    'zygote',
    'slowlog',
    'scoreboard',
    'status',
    'request',
    'fastcgi',
    'live',
    'listen',
    'text',
    'os',
  ],
  pool: ['watch', 'zygote', 'slowlog', 'scoreboard', 'accesslog', 'config', 'log', 'os'],
  watch: ['slowlog', 'scoreboard', 'accesslog', 'request', 'config', 'text', 'log', 'os'],
  zygote: ['accesslog', 'config', 'fastcgi', 'log', 'os'],
  systemd: ['os', 'log'],
  control: ['os', 'log', 'listen', 'text'],
  http: ['live', 'status', 'listen', 'text', 'os', 'log'],
  live: [],
  top: ['status', 'text'],
  serve: ['fastcgi', 'text', 'os'],
  listen: ['config', 'os', 'log'],
  scoreboard: ['accesslog', 'os', 'log'],
  slowlog: ['text', 'os', 'log'],
  log: ['text', 'os'],
  os: [],
  config: ['accesslog', 'os'],
  accesslog: ['request', 'text'],
  status: ['request', 'text'],
  request: ['fastcgi'],
  fastcgi: [],
  text: [],
};

/** Files that take neither clock nor disk nor log: what they need is passed in. */
const PURE = ['config', 'accesslog', 'fastcgi', 'request', 'status', 'text', 'top', 'pool/scaling'];
const IMPURE_EXCEPTIONS = ['config/load.ts', 'config/reference.ts', 'config/sample.ts'];
const IMPURE_MODULES = /^node:(?!path|util|buffer)/;

interface Import {
  readonly from: string;
  readonly target: string;
  readonly isType: boolean;
}

function sourceFiles(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
}

function importsOf(path: string): Import[] {
  const text = readFileSync(join(SOURCE, path), 'utf8');
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'/gms)].map(
    ([, type, target = '']) => ({ from: path, target, isType: type !== undefined }),
  );
}

const roomOf = (path: string): string => path.split('/')[0] ?? path;

function fileOf({ from, target }: Import): string {
  return relative(SOURCE, resolve(dirname(join(SOURCE, from)), target)).replace(/\.js$/, '.ts');
}

/** What imports one another directly or over others, types included: nothing is left once all leaves are taken away. */
function circles(nameOf: (path: string) => string): string[] {
  const targetsByName = new Map<string, Set<string>>();
  for (const path of sourceFiles()) {
    const targets = targetsByName.get(nameOf(path)) ?? new Set();
    targetsByName.set(nameOf(path), targets);
    for (const each of importsOf(path))
      if (each.target.startsWith('.') && nameOf(fileOf(each)) !== nameOf(path))
        targets.add(nameOf(fileOf(each)));
  }
  for (;;) {
    const leaves = [...targetsByName].filter(([, targets]) =>
      [...targets].every((target) => !targetsByName.has(target)),
    );
    if (leaves.length === 0) return [...targetsByName.keys()];
    for (const [name] of leaves) targetsByName.delete(name);
  }
}

function offences(): string[] {
  return sourceFiles().flatMap((path) =>
    importsOf(path)
      .filter(({ target, isType }) => target.startsWith('.') && !isType)
      .map((each) => ({ from: each.from, to: fileOf(each) }))
      .filter(({ from, to }) => {
        const room = roomOf(from);
        if (WIRING.includes(room) || FREE.includes(to) || roomOf(to) === room) return false;
        return !(MAY_IMPORT[room] ?? []).includes(roomOf(to));
      })
      .map(({ from, to }) => `${from} imports ${to}`),
  );
}

test('every room imports only the rooms below it', () => {
  assert.deepEqual(offences(), []);
});

test('no circle of files, and none of rooms', () => {
  assert.deepEqual(
    circles((path) => path),
    [],
  );
  assert.deepEqual(circles(roomOf), []);
});

test('every room of src is on the map', () => {
  const rooms = new Set(sourceFiles().map(roomOf));
  const known = [...WIRING, ...FREE, ...Object.keys(MAY_IMPORT)];
  assert.deepEqual(
    [...rooms].filter((room) => !known.includes(room)),
    [],
  );
});

test('only os/ knows koffi', () => {
  const users = sourceFiles().filter((path) => importsOf(path).some(({ target }) => target === 'koffi'));
  assert.deepEqual(
    users.filter((path) => roomOf(path) !== 'os'),
    [],
  );
});

test('pure rooms touch neither disk, clock nor network', () => {
  const offenders = sourceFiles()
    .filter((path) => PURE.some((room) => path.startsWith(`${room}/`)) && !IMPURE_EXCEPTIONS.includes(path))
    .flatMap((path) =>
      importsOf(path)
        .filter(({ target, isType }) => !isType && IMPURE_MODULES.test(target))
        .map(({ target }) => `${path} imports ${target}`),
    );
  assert.deepEqual(offenders, []);
});
