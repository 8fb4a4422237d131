import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as layouts from '../../../src/slowlog/php-layout.js';

// Folders that hold Zend/ and main/, as php-dev packages install them: /usr/include/php/20220829.

const PROGRAM = fileURLToPath(new URL('../../../../test/fixtures/php-offsets.c', import.meta.url));
const INSTALLED = '/usr/include/php';

function headerFolders(): string[] {
  const named = (process.env.TSFPM_PHP_HEADERS ?? '').split(':').filter((path) => path !== '');
  const installed = existsSync(INSTALLED) ? readdirSync(INSTALLED).map((name) => join(INSTALLED, name)) : [];
  return [...named, ...installed].filter((path) => existsSync(join(path, 'Zend/zend_generators.h')));
}

/** What the headers say, by name. */
function offsetsOf(headers: string): Map<string, string> {
  const folder = mkdtempSync('/tmp/tsfpm-test-offsets-');
  try {
    const program = join(folder, 'offsets');
    const includes = ['', 'main', 'Zend', 'TSRM'].map((name) => `-I${join(headers, name)}`);
    execFileSync(process.env.CC || 'cc', ['-w', ...includes, '-o', program, PROGRAM]);
    const lines = execFileSync(program, { encoding: 'utf8' }).trim().split('\n');
    return new Map(lines.map((line) => line.split(' ') as [string, string]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const folders = headerFolders();

test('layouts are what the headers of that PHP say', {
  skip: folders.length === 0 ? 'no headers of PHP (php-dev)' : false,
}, (t) => {
  for (const folder of folders) {
    const offsets = offsetsOf(folder);
    const version = offsets.get('version') ?? '';
    const layout = layouts.phpLayout(version);
    assert.ok(layout !== undefined, `there is a layout of ${version}`);
    assert.equal(offsets.get('zts'), undefined, 'headers of a build without thread safety');
    for (const [name, value] of offsets) {
      if (name === 'version') continue;
      const said: unknown = name
        .split('.')
        .reduce<unknown>((of, part) => (of as Record<string, unknown> | undefined)?.[part], {
          ...layouts,
          ...layout,
        });
      if (name.startsWith('generator.') && layout.generator === undefined) continue;
      assert.equal(said, Number(value), `${name} of PHP ${version}`);
    }
    t.diagnostic(`PHP ${version}: ${offsets.size - 1} numbers`);
  }
});

test('a version is known by its first two numbers, and no other is', () => {
  assert.equal(layouts.phpLayout('8.2.36'), layouts.phpLayout('8.2.1-1+deb12u1'));
  assert.deepEqual(layouts.KNOWN_VERSIONS, ['7.4', '8.0', '8.1', '8.2', '8.3', '8.4', '8.5']);
  for (const version of ['7.3.33', '8.6.0', '8.22.1', '82.1', '', '8.2', 'constructor.1.'])
    assert.equal(layouts.phpLayout(version), undefined, version);
});
