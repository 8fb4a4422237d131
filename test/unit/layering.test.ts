import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Which room may import which, types included: the map of the house as data.

const SOURCE = fileURLToPath(new URL('../../../src', import.meta.url));
/** Files and rooms that put the others together, and may import any. */
const WIRING = ['main.ts', 'create-master.ts', 'cli'];
/** Files that any room may import. */
const FREE = ['errors.ts', 'units.ts', 'version.ts'];

/** Room -> the rooms below it that it imports from. A room that is used no more leaves the line. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  manual: ['cli', 'config', 'text'],
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
    'http',
    'control',
    'listen',
    'status',
    'config',
    'log',
    'os',
  ],
  reload: ['pages', 'pool', 'zygote', 'listen', 'config', 'log', 'os'],
  pages: [
    'pool',
    'watch',
    'zygote',
    'live',
    'listen',
    'slowlog',
    'status',
    'scoreboard',
    'config',
    'log',
    'os',
    'request',
    'fastcgi',
    'text',
  ],
  overload: ['config', 'fastcgi', 'listen', 'log', 'os'],
  pool: [
    'overload',
    'keeping',
    'watch',
    'zygote',
    'slowlog',
    'scoreboard',
    'config',
    'accesslog',
    'log',
    'os',
  ],
  watch: ['zygote', 'slowlog', 'scoreboard', 'config', 'accesslog', 'log', 'os', 'request', 'text'],
  keeping: ['os'],
  zygote: ['config', 'accesslog', 'log', 'os', 'fastcgi'],
  systemd: ['log', 'os'],
  http: ['live', 'listen', 'status', 'log', 'os', 'text'],
  live: [],
  top: ['control', 'status', 'text'],
  control: ['listen', 'status', 'log', 'os', 'text'],
  serve: ['fastcgi', 'text'],
  listen: ['config', 'log', 'os'],
  slowlog: ['log', 'os', 'text'],
  status: ['scoreboard', 'config', 'request', 'text'],
  scoreboard: ['accesslog', 'os'],
  config: ['accesslog', 'log', 'os'],
  accesslog: ['request', 'text'],
  log: ['os', 'text'],
  os: [],
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

/** What each file, or each room, imports from the others. */
function importsByName(nameOf: (path: string) => string): Map<string, Set<string>> {
  const targetsByName = new Map<string, Set<string>>();
  for (const path of sourceFiles()) {
    const targets = targetsByName.get(nameOf(path)) ?? new Set();
    targetsByName.set(nameOf(path), targets);
    for (const each of importsOf(path))
      if (each.target.startsWith('.') && nameOf(fileOf(each)) !== nameOf(path))
        targets.add(nameOf(fileOf(each)));
  }
  return targetsByName;
}

/** What imports itself, directly or over others: nothing is left once all leaves are taken away. */
function circles(targetsByName: ReadonlyMap<string, Iterable<string>>): string[] {
  const left = new Map(targetsByName);
  for (;;) {
    const leaves = [...left].filter(([, targets]) => [...targets].every((target) => !left.has(target)));
    if (leaves.length === 0) return [...left.keys()];
    for (const [name] of leaves) left.delete(name);
  }
}

test('every room imports only the rooms below it', () => {
  const offences = sourceFiles()
    .filter((path) => !WIRING.includes(roomOf(path)))
    .flatMap(importsOf)
    .filter(({ target }) => target.startsWith('.'))
    .map((each) => ({ from: each.from, to: fileOf(each) }))
    .filter(({ from, to }) => !FREE.includes(to) && roomOf(to) !== roomOf(from))
    .filter(({ from, to }) => !MAY_IMPORT[roomOf(from)]?.includes(roomOf(to)))
    .map(({ from, to }) => `${from} imports ${to}`);
  assert.deepEqual(offences, []);
});

test('the map allows nothing that is not used', () => {
  const targetsByRoom = importsByName(roomOf);
  const unused = Object.entries(MAY_IMPORT).flatMap(([room, targets]) =>
    targets.filter((target) => !targetsByRoom.get(room)?.has(target)).map((target) => `${room} -> ${target}`),
  );
  assert.deepEqual(unused, []);
});

test('no circle on the map, of rooms or of files', () => {
  assert.deepEqual(circles(new Map(Object.entries(MAY_IMPORT))), []);
  assert.deepEqual(circles(importsByName(roomOf)), []);
  assert.deepEqual(circles(importsByName((path) => path)), []);
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
