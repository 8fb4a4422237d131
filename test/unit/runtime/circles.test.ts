import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

// Who uses functions and variables of whom, among the files of src/runtime: read from the symbols of their objects. What
// the runtime defines under libc's names (read, close, fork ...) are hooks, which every file calls as it calls libc.

const RUNTIME = fileURLToPath(new URL('../../../../src/runtime', import.meta.url));
const folder = mkdtempSync('/tmp/tsfpm-circles-');
after(() => rmSync(folder, { recursive: true }));

type Graph = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/** Each file's own symbols (`T`, `D`, `B` ...) and those that it lacks (`U`). */
function symbolsOf(source: string): { readonly defined: string[]; readonly missing: string[] } {
  const object = join(folder, `${basename(source)}.o`);
  const compiler = process.env.CC || 'cc';
  const compiled = spawnSync(compiler, ['-std=c11', '-fPIC', '-c', source, '-o', object], {
    encoding: 'utf8',
  });
  assert.equal(compiled.status, 0, compiled.stderr);
  const listed = spawnSync('nm', ['-P', object], { encoding: 'utf8' });
  assert.equal(listed.status, 0, listed.stderr);
  const symbols = [...listed.stdout.matchAll(/^(tsfpm_\w+) ([A-Z])/gm)];
  return {
    defined: symbols.filter(([, , kind]) => kind !== 'U').map(([, name = '']) => name),
    missing: symbols.filter(([, , kind]) => kind === 'U').map(([, name = '']) => name),
  };
}

function readGraph(): Graph {
  const files = readdirSync(RUNTIME).filter((name) => name.endsWith('.c'));
  const symbols = new Map(files.map((name) => [name, symbolsOf(join(RUNTIME, name))]));
  const homes = new Map([...symbols].flatMap(([file, { defined }]) => defined.map((name) => [name, file])));
  return new Map(
    [...symbols].map(([file, { missing }]) => {
      const uses = new Map<string, string[]>();
      for (const name of missing) {
        const home = homes.get(name);
        assert.ok(home !== undefined, `${file} uses ${name}, which no file defines`);
        uses.set(home, [...(uses.get(home) ?? []), name]);
      }
      return [file, uses];
    }),
  );
}

/** The first way found that leads back to where it began, as lines; undefined where there is none. */
function findCircle(graph: Graph): string[] | undefined {
  const clear = new Set<string>();
  const visit = (file: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (clear.has(file)) return undefined;
    for (const next of graph.get(file)?.keys() ?? []) {
      const circle = visit(next, [...way, file]);
      if (circle !== undefined) return circle;
    }
    clear.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = visit(file, []);
    if (circle !== undefined)
      return circle.slice(1).map((next, i) => {
        const from = circle[i] ?? '';
        return `${from} uses ${next}: ${graph.get(from)?.get(next)?.join(', ')}`;
      });
  }
  return undefined;
}

test('no file of the runtime uses, by any way round, a file that uses it', (t) => {
  if (spawnSync('nm', ['--version']).status !== 0) {
    t.skip('needs nm, of binutils');
    return;
  }
  const graph = readGraph();
  assert.ok(graph.size > 30);
  assert.ok((graph.get('zygote.c')?.size ?? 0) > 5);
  assert.equal(findCircle(graph)?.join('\n'), undefined);
});

test('a circle is found and told', () => {
  const graph = new Map([
    ['a.c', new Map([['b.c', ['tsfpm_b']]])],
    ['b.c', new Map([['c.c', ['tsfpm_c']]])],
    ['c.c', new Map([['b.c', ['tsfpm_b_again']]])],
  ]);
  assert.deepEqual(findCircle(graph), ['b.c uses c.c: tsfpm_c', 'c.c uses b.c: tsfpm_b_again']);
});
