import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../../src', import.meta.url));

const EXPORT = /^export (?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm;
const IMPORT = /^(?:import|export)\s+(?:type\s)?\{([^}]*)\}\s+from\s+'(\.[^']+)'/gms;
/** How the command loads its verbs. */
const LATE_IMPORT = /import\('(\.[^']+)'\)/g;

const textsByFile = new Map(
  readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => [path, readFileSync(join(SOURCE, path), 'utf8')]),
);

/** `cli/run.ts name`, for all that files take from one another. */
function usedExports(): Set<string> {
  const used = new Set<string>();
  for (const [path, text] of textsByFile) {
    const target = (from: string) => join(dirname(path), from).replace(/\.js$/, '.ts');
    for (const [, names = '', from = ''] of text.matchAll(IMPORT))
      for (const name of names.split(','))
        used.add(
          `${target(from)} ${
            name
              .trim()
              .replace(/^type /, '')
              .split(' as ')[0]
          }`,
        );
    for (const [, from = ''] of text.matchAll(LATE_IMPORT))
      for (const [name] of text.matchAll(/\w+/g)) used.add(`${target(from)} ${name}`);
  }
  return used;
}

test('every export has a user in src', () => {
  const used = usedExports();
  const unused = [...textsByFile].flatMap(([path, text]) =>
    [...text.matchAll(EXPORT)]
      .map(([, name = '']) => name)
      .filter((name) => !used.has(`${path} ${name}`) && text.split(new RegExp(`\\b${name}\\b`)).length <= 2)
      .map((name) => `${path} ${name}`),
  );
  assert.deepEqual(unused, []);
});
