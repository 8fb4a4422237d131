import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../../src/cli/program.js';
import { usageText } from '../../src/cli/usage.js';
import { DIRECTIVES } from '../../src/config/directives.js';
import { DESCRIPTORS } from '../../src/zygote/control-frames.js';

// What README.md and docs/ say must exist: links, commands, options, directives, metrics, messages, tests and npm scripts;
// and whoever begins at README finds every page.

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PAGES = [
  ...['README.md', 'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].filter((name) =>
    existsSync(join(ROOT, name)),
  ),
  ...readdirSync(join(ROOT, 'docs')).map((name) => join('docs', name)),
];
const FENCE = /^```(\w*)\n(.*?)^```/gms;

const textOf = (page: string) => readFileSync(join(ROOT, page), 'utf8');

/** What is meant literally: code spans and code blocks. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(FENCE)].map(([, , body = '']) => body);
  const spans = [...text.replace(FENCE, '').matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  return [...blocks, ...spans];
}

function linksOf(text: string): string[] {
  return [...text.replace(FENCE, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** As the common renderers make them of headings: a heading that stands there again gets a number. */
function anchorsOf(page: string): string[] {
  const headings = [
    ...textOf(page)
      .replace(FENCE, '')
      .matchAll(/^#+ (.*)$/gm),
  ].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
  return headings.map((anchor, index) => {
    const before = headings.slice(0, index).filter((other) => other === anchor).length;
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}

/** The page or file that a link leads to, from the root of the repository, and the heading in it. */
function targetOf(page: string, link: string): { file: string; anchor: string | undefined } {
  const [path = '', anchor] = link.split('#');
  return { file: path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path)), anchor };
}

/** Text of all files below a folder whose names end so. */
function sourceOf(folder: string, ending: RegExp): string {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => textOf(join(folder, name)))
    .join('\n');
}

/** Its functions have names that look like those of metrics. */
const RUNTIME = sourceOf('src/runtime', /\.[ch]$/);

for (const page of PAGES) {
  const text = textOf(page);

  test(`${page}: every link leads to a file of the repository, and to a heading in it`, () => {
    const broken = linksOf(text).filter((link) => {
      if (/^https?:/.test(link)) return false;
      const { file, anchor } = targetOf(page, link);
      if (!existsSync(join(ROOT, file))) return true;
      return anchor !== undefined && !anchorsOf(file).includes(anchor);
    });
    assert.deepEqual(broken, []);
  });

  test(`${page}: every command of tsfpm that it shows exists`, () => {
    const named = codeOf(text).flatMap((code) =>
      [...code.replace(/#.*/g, '').matchAll(/(?:^|[\s;&|])tsfpm ([a-z]+)\b/gm)].map(
        ([, command = '']) => command,
      ),
    );
    assert.deepEqual(
      named.filter((command) => !COMMANDS.some((name) => name === command)),
      [],
    );
  });

  test(`${page}: every option of tsfpm that it shows exists`, () => {
    const known = new Set(usageText('tsfpm').match(/--[a-z][a-z-]+/g));
    const lines = codeOf(text).flatMap((code) => code.replaceAll('\\\n', ' ').split('\n'));
    const named = lines.flatMap((line) =>
      [...line.replace(/#.*/, '').matchAll(/(?:^|[\s;&|/])tsfpm ([^;&|>]*)/g)].flatMap(([, words = '']) => [
        ...(words.match(/(?<=^|\s)--[a-z][a-z-]+/g) ?? []),
      ]),
    );
    assert.deepEqual(
      named.filter((option) => !known.has(option)),
      [],
    );
  });

  test(`${page}: every directive that it sets exists`, () => {
    const known = new Set<string>([...DIRECTIVES.map(({ name }) => name), 'include']);
    const ini = [...text.matchAll(FENCE)].filter(([, language]) => language === 'ini');
    const set = ini.flatMap(([, , body = '']) =>
      [...body.matchAll(/^\s*;?([a-z_][a-z_.]*)(?:\[[^\]]*\])?\s*=/gm)].map(([, name = '']) => name),
    );
    const spans = codeOf(text).flatMap((code) =>
      [
        ...code.matchAll(
          /^((?:pm|listen|access|request|process|http|control|catch|decorate|log)[._][a-z_.]+)/g,
        ),
      ].map(([, name = '']) => name),
    );
    assert.deepEqual(
      [...set, ...spans].filter((name) => !known.has(name) && !/\.$|\.[ch]$/.test(name)),
      [],
    );
  });

  test(`${page}: every metric that it names exists`, () => {
    const known = textOf('test/golden/status/metrics.openmetrics') + RUNTIME;
    const named = [...text.matchAll(/\b(?:tsfpm|phpfpm)_[a-z_]+[a-z]\b/g)].map(([name]) => name);
    assert.deepEqual(
      named.filter((name) => !known.includes(name)),
      [],
    );
  });

  test(`${page}: every npm script and every file that it names exists`, () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    const missing = codeOf(text).flatMap((code) => [
      ...[...code.matchAll(/npm run (?:--silent )?([a-z:]+)/g)].flatMap(([, name = '']) =>
        scripts[name] === undefined ? [`npm run ${name}`] : [],
      ),
      ...[...code.matchAll(/(?<![\w/.-])((?:src|test|conf|bin|docs)\/[\w./-]+\w)/g)].flatMap(
        ([, path = '']) => (existsSync(join(ROOT, path)) ? [] : [path]),
      ),
    ]);
    assert.deepEqual(missing, []);
  });
}

/** `file: "words"` in the last cell of a row, the file below test/integration/, or test/unit/ behind "unit". */
function testsNamed(text: string): { file: string; words: string }[] {
  const rows = text.split('\n').filter((line) => line.startsWith('| '));
  return rows.flatMap((row) => {
    const cell = row.split(' | ')[2] ?? '';
    const integration = [...cell.matchAll(/(?<![`/\w-])([a-z][a-z-]+): "([^"]+)"/g)].map(
      ([, name, words = '']) => ({
        file: `test/integration/${name}.test.ts`,
        words,
      }),
    );
    const unit = [...cell.matchAll(/unit `([\w/-]+)`(?:: "([^"]+)")?/g)].map(([, name, words = '']) => ({
      file: `test/unit/${name}.test.ts`,
      words,
    }));
    return [...integration, ...unit];
  });
}

test('docs/security.md names tests that exist', () => {
  const named = testsNamed(textOf('docs/security.md'));
  assert.ok(named.length >= 30, `${named.length} tests`);
  const missing = named.filter(
    ({ file, words }) => !existsSync(join(ROOT, file)) || !textOf(file).includes(words),
  );
  assert.deepEqual(missing, []);
});

test('whoever begins at README.md finds every page', () => {
  const found = new Set(['README.md']);
  for (const page of found) {
    const links = page.endsWith('.md') ? linksOf(textOf(page)) : [];
    for (const link of links) if (!/^https?:/.test(link)) found.add(targetOf(page, link).file);
  }
  assert.deepEqual(
    PAGES.filter((page) => !found.has(page)),
    [],
  );
});

test('docs/troubles.md quotes messages that exist', () => {
  const source = sourceOf('src', /\.(?:ts|c|h)$/);
  const [, table = ''] = textOf('docs/troubles.md').split('| the error log says |');
  const rows = table.split('\n\n')[0]?.split('\n| `') ?? [];
  const quoted = rows.slice(1).map((row) => row.split('`')[0] ?? '');
  assert.ok(quoted.length >= 10, `${quoted.length} messages`);
  // `...` is what is filled in; the C library has the words for an errno.
  const parts = quoted.flatMap((message) => message.replace(/: [A-Z][\w ]+ \(\d+\)$/, '').split('...'));
  assert.deepEqual(
    parts.filter((part) => !source.includes(part.trim())),
    [],
  );
});

test('CONTRIBUTING.md gives gdb the runtime under the number that the workers have it under', () => {
  assert.match(
    textOf('CONTRIBUTING.md'),
    new RegExp(` ${DESCRIPTORS.LIBRARY}< dist/runtime/\\S+\\.so$`, 'm'),
  );
});
