// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadConfig } from '../../../src/config/load.js';
import { configOf, linesOf, loadText, memoryDisk, POOL, systemError } from './memory-disk.js';

function load(files: Record<string, string | Uint8Array>, prefix?: string) {
  const options = { file: '/etc/main.conf', prefix, environment: {}, allowRoot: false, isRoot: true };
  return loadConfig({ ...options, disk: memoryDisk(files) });
}

const READ = "ERROR: failed to load configuration file '/etc/main.conf'";

test('included files are read in their order and share the open section', () => {
  const { config } = load({
    '/etc/main.conf': 'include = /etc/pool.d/*.conf\nuser = from-main\n',
    '/etc/pool.d/b.conf': '[b]\nlisten = 2\npm = static\npm.max_children = 2\n',
    '/etc/pool.d/a.conf': POOL,
    '/etc/pool.d/.hidden.conf': 'wrong',
    '/etc/pool.d/c.conf/d': 'wrong',
    '/etc/pool.d/other': 'wrong',
  });
  assert.deepEqual(
    config?.pools.map(({ name, user }) => [name, user]),
    [
      ['www', 'www-data'],
      ['b', 'from-main'],
    ],
  );
});

test('each file counts its own lines, before and after an include', () => {
  const result = load({
    '/etc/main.conf': `${POOL}x = 1\ninclude = /etc/a.conf\ny = 2\n`,
    '/etc/a.conf': '\n\n\nz = 3\n',
  });
  assert.deepEqual(linesOf(result), [
    "ERROR: [/etc/main.conf:6] unknown entry 'x'",
    "ERROR: [/etc/a.conf:4] unknown entry 'z'",
    'ERROR: Unable to include /etc/a.conf from /etc/main.conf at line 7',
    "ERROR: [/etc/main.conf:8] unknown entry 'y'",
    READ,
  ]);
});

test('a relative include starts at the prefix, not beside the including file', () => {
  const main = { '/etc/main.conf': 'include = pools/*.conf\n' };
  assert.equal(load({ ...main, '/usr/pools/a.conf': POOL }).config?.pools.length, 1);
  assert.equal(load({ ...main, '/opt/x/pools/a.conf': POOL }, '/opt/x').config?.pools.length, 1);
});

test('a pattern without a match is a warning', () => {
  const result = load({ '/etc/main.conf': `${POOL}include = /etc/*.ini\ninclude = /nope.conf\n` });
  assert.ok(result.config);
  assert.deepEqual(linesOf(result), [
    "WARNING: Nothing matches the include pattern '/etc/*.ini' from /etc/main.conf at line 6.",
    "WARNING: Nothing matches the include pattern '/nope.conf' from /etc/main.conf at line 7.",
  ]);
});

test('a pattern in a directory that is not there is an error', () => {
  const result = load({ '/etc/main.conf': `${POOL}include = /nope/*.conf\n` });
  assert.deepEqual(linesOf(result), [
    "ERROR: Unable to globalize '/nope/*.conf' (ret=2) from /etc/main.conf at line 6.",
    READ,
  ]);
});

test('files include one another five deep and no deeper', () => {
  const result = load({ '/etc/main.conf': `${POOL}include = /etc/main.conf\n` });
  const unable = 'ERROR: Unable to include /etc/main.conf from /etc/main.conf at line 6';
  const deep = 'ERROR: failed to include more than 5 files recursively';
  assert.deepEqual(linesOf(result), [deep, unable, unable, unable, unable, unable, READ]);
});

test('a file that can not be opened is told with the reason', () => {
  assert.deepEqual(linesOf(load({})), [
    "ERROR: failed to open configuration file '/etc/main.conf': No such file or directory (2)",
    READ,
  ]);
  const disk = {
    ...memoryDisk({ '/etc/x.conf': '', 't.conf': '' }),
    read: (path: string) => {
      if (path === 't.conf') return Buffer.from('include = /etc/x.conf');
      throw systemError('EACCES', 13);
    },
  };
  assert.deepEqual(linesOf(loadText('', { disk })), [
    "ERROR: failed to open configuration file '/etc/x.conf': Permission denied (13)",
    'ERROR: Unable to include /etc/x.conf from t.conf at line 1',
    "ERROR: failed to load configuration file 't.conf'",
  ]);
});

test('a prefix that is no directory ends it before anything is read', () => {
  const result = load({ '/etc/main.conf': POOL }, '/nope');
  assert.deepEqual(linesOf(result), [
    "ERROR: the global prefix '/nope' does not exist or is not a directory",
  ]);
});

test('${NAME} is looked up in php.ini first, then in the environment', () => {
  const options = {
    phpIni: (name: string) => (name === 'memory_limit' ? '1M' : undefined),
    environment: { memory_limit: '2M', HOME: '/h' },
  };
  const text = `${POOL}env[A] = \${memory_limit}\nenv[B] = \${HOME}\nenv[C] = "x\${toString}\${NOPE}"\n`;
  const values = configOf(text, options).pools[0]?.env.map(({ value }) => value);
  assert.deepEqual(values, ['1M', '/h', 'x']);
});

test('a line that is not UTF-8 is read as Latin-1, with a warning unless it is a comment', () => {
  const latin = Buffer.from(`; \xe9\n${POOL}env[A] = \xe9\n`, 'latin1');
  const result = load({ '/etc/main.conf': latin });
  assert.deepEqual(linesOf(result), ['WARNING: [/etc/main.conf:7] the line is not UTF-8, read as Latin-1']);
  assert.equal(result.config?.pools[0]?.env[0]?.value, '\u00e9');
});

test('any bytes give a Config or a fatal problem, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const pool = Buffer.concat([Buffer.from(POOL), bytes]);
      const { config, problems } = load({ '/etc/main.conf': pool });
      return (config === undefined) === problems.some(({ error }) => error !== undefined);
    }),
  );
});

test('a configuration cut at any byte gives a Config or a fatal problem', () => {
  const text = Buffer.from(
    `[global]\nlog_level = "notice" ; \u00e9\n${POOL}env[PATH] = \${HOME}/bin\ninclude = /etc/*.x\n`,
  );
  for (let end = 0; end <= text.length; end += 1) {
    const { config, problems } = load({ '/etc/main.conf': text.subarray(0, end) });
    assert.equal(
      config === undefined,
      problems.some(({ error }) => error !== undefined),
    );
  }
});

test('the real disk serves as well', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsfpm-load-'));
  try {
    const file = join(directory, 'main.conf');
    mkdirSync(join(directory, 'pool.d', 'x.conf'), { recursive: true });
    writeFileSync(file, `include = ${directory}/pool.d/*.conf\n[www]\nchdir = ${directory}\n`);
    writeFileSync(join(directory, 'pool.d', 'a.conf'), POOL);
    const machine = { environment: process.env, allowRoot: false, isRoot: true };
    assert.equal(loadConfig({ file, ...machine }).config?.pools[0]?.chdir, directory);
    const missing = loadConfig({ file: join(directory, 'nope.conf'), ...machine });
    assert.match(missing.problems[0]?.message ?? '', /nope\.conf': No such file or directory \(2\)$/);
    const noFile = loadConfig({ file: directory, ...machine });
    assert.match(noFile.problems[0]?.message ?? '', /: Is a directory \(21\)$/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
