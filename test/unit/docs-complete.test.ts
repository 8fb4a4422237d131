import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { compileAccessFormat } from '../../src/accesslog/access-format.js';
import { accessFormatMistake } from '../../src/accesslog/parse-format.js';
import { COMMANDS } from '../../src/cli/program.js';
import { MEMORY_PEAK_FIELD, POOL_FIELDS, WORKER_FIELDS } from '../../src/status/fields.js';
import { STATE_OF_STAGE } from '../../src/status/status.js';

// What the pages must not leave out, and what the code cites; docs.test.ts checks that what they name exists.

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const textOf = (page: string) => readFileSync(join(ROOT, page), 'utf8');

/** Code in the first cells of a page's tables: what their rows are about. */
function subjectsOf(page: string): string[] {
  const rows = textOf(page)
    .split('\n')
    .filter((line) => line.startsWith('| '));
  return rows.flatMap((row) =>
    [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code),
  );
}

function missingIn(page: string, names: Iterable<string>): string[] {
  const subjects = subjectsOf(page);
  return [...new Set(names)].filter((name) => !subjects.includes(name));
}

/** As links name them. */
function headingsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('docs/observing.md describes every metric', () => {
  // Equal to what the code renders, by test/unit/status/metrics.test.ts.
  const golden = textOf('test/golden/status/metrics.openmetrics');
  const names = [...golden.matchAll(/^((?:phpfpm|tsfpm)_[a-z_]+)/gm)].map(([, name = '']) =>
    name.replace(/^(tsfpm_request_duration_seconds)_(?:bucket|count|sum)$/, '$1'),
  );
  assert.ok(new Set(names).size >= 30);
  assert.deepEqual(missingIn('docs/observing.md', names), []);
});

test('docs/observing.md describes every field of a status page', () => {
  const fields = [...POOL_FIELDS, MEMORY_PEAK_FIELD, ...WORKER_FIELDS];
  assert.deepEqual(
    missingIn(
      'docs/observing.md',
      fields.map(({ name }) => name),
    ),
    [],
  );
  const text = textOf('docs/observing.md');
  assert.deepEqual(
    [...Object.values(STATE_OF_STAGE), ...WORKER_FIELDS.flatMap(({ textName = '' }) => textName)].filter(
      (word) => !text.includes(word),
    ),
    [],
  );
});

test('docs/logs.md describes every token of access.format, and every key of its JSON', () => {
  const letters = Array.from({ length: 0x7e - 0x20 }, (_, index) => String.fromCharCode(0x21 + index));
  const known = letters.filter((letter) => !accessFormatMistake(`%${letter}`)?.startsWith('Invalid token'));
  assert.ok(known.includes('s') && known.includes('%') && known.length >= 15);
  assert.deepEqual(
    missingIn(
      'docs/logs.md',
      known.filter((letter) => letter !== '{').map((letter) => `%${letter}`),
    ),
    [],
  );

  const { fields, line } = compileAccessFormat({ format: 'json', pool: 'www', suppressPaths: [] });
  const written = line({
    pid: 1,
    parentPid: 1,
    status: 200,
    startEpochUs: 0,
    durationNs: 0,
    cpuUserUs: 0,
    cpuSystemUs: 0,
    memoryPeak: 0,
    texts: fields.map(() => 'x'),
  });
  const keys = Object.keys(JSON.parse(written?.text ?? ''));
  const text = textOf('docs/logs.md');
  assert.deepEqual(
    keys.filter((key) => !text.includes(`"${key}":`)),
    [],
  );
});

test('docs/benchmarks.md describes every scenario', () => {
  const folder = 'test/bench/scenarios';
  const names = readdirSync(join(ROOT, folder)).flatMap((file) =>
    [...textOf(join(folder, file)).matchAll(/^ +name: '([a-z-]+)',$/gm)].map(([, name = '']) => name),
  );
  assert.ok(names.length >= 10);
  assert.deepEqual(missingIn('docs/benchmarks.md', names), []);
});

test('docs/architecture.md describes every room of src/, and every file and hook of the runtime', () => {
  const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const hooks = [...textOf('src/runtime/preload.c').matchAll(/^TSFPM_EXPORT \w+ (\w+)\(/gm)].map(
    ([, name = '']) => name,
  );
  assert.ok(rooms.length >= 20 && hooks.length >= 10);
  assert.deepEqual(missingIn('docs/architecture.md', [...rooms, ...hooks]), []);
  const text = textOf('docs/architecture.md');
  const files = readdirSync(join(ROOT, 'src/runtime')).filter((name) => name.endsWith('.c'));
  assert.deepEqual(
    files.filter((name) => !text.includes(`\`${name.slice(0, -'.c'.length)}\``)),
    [],
  );
});

test('every page that the code cites is in the repository, and has that heading', () => {
  const sources = ['src', 'test', 'bin', 'conf'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter(
        (path) => /\.(?:[chm]?[tj]?s|[ch]|conf|service)$/.test(path) && !/docs[\w-]*\.test\.ts$/.test(path),
      )
      .map((path) => join(folder, path)),
  );
  const broken = sources.flatMap((source) =>
    [...textOf(source).matchAll(/([\w./-]*\w\.md)\b(?:#([\w-]+))?/g)]
      .filter(([, path = '', anchor]) => {
        const page = path.replace(/^(?:\.\.\/)+/, '');
        if (!existsSync(join(ROOT, page))) return true;
        return anchor !== undefined && !headingsOf(page).includes(anchor);
      })
      .map(([cited]) => `${source}: ${cited}`),
  );
  assert.deepEqual(broken, []);
});

test('every command of tsfpm is shown in README.md or in docs/', () => {
  const pages = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name))];
  const text = pages.map(textOf).join('\n');
  assert.deepEqual(
    COMMANDS.filter((name) => !new RegExp(`\\btsfpm ${name}\\b`).test(text)),
    [],
  );
});
