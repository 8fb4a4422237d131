import assert from 'node:assert/strict';
import { copyFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { type Settings, WORKER_USER } from '../helpers/daemon-folder.js';
import { programFolder } from '../helpers/php-program.js';
import { PHP_CGI, PHP_INI_START, phpVersion, SYSTEM_PHP_CGI } from '../helpers/php-programs.js';
import { reload } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';

// Two pools, each with its own php-cgi, php.ini, extensions, preloading, JIT and memory. Under `npm run test:php` one has the
// PHP version under test and the other the machine's; otherwise both are the machine's, by two paths.

const IS_SAME = PHP_CGI === SYSTEM_PHP_CGI;
const HAS_JIT = Number(phpVersion()) >= 8;
const systemVersion = phpVersion(SYSTEM_PHP_CGI);
const SYSTEM_HAS_JIT = Number(systemVersion) >= 8;

const WHO_PHP = `<?php
$status = opcache_get_status(true);
echo json_encode([
  'version' => PHP_VERSION, 'pid' => getmypid(), 'zygote' => parent_pid(), 'ini' => php_ini_loaded_file(),
  'memory' => ini_get('memory_limit'), 'precision' => ini_get('precision'), 'mark' => get_cfg_var('tsfpm_test.mark'),
  'extensions' => get_loaded_extensions(), 'opcacheMemory' => (int) ini_get('opcache.memory_consumption'),
  'jit' => $status['jit']['on'] ?? null, 'jitBytes' => $status['jit']['buffer_size'] ?? null,
  'preloaded' => function_exists('preloaded') ? preloaded() : null,
  'scripts' => array_map('basename', array_keys($status['scripts'])),
  'hits' => $status['scripts'][__FILE__]['hits'] ?? null,
]);
function parent_pid() { return (int) explode(' ', file_get_contents('/proc/self/stat'))[3]; }
`;

interface Who {
  readonly version: string;
  readonly pid: number;
  readonly zygote: number;
  readonly ini: string;
  readonly memory: string;
  readonly precision: string;
  readonly mark: string | false;
  readonly extensions: readonly string[];
  readonly opcacheMemory: number;
  readonly jit: boolean | null;
  readonly jitBytes: number | null;
  readonly preloaded: string | null;
  readonly scripts: readonly string[];
  readonly hits: number | null;
}

/** A sum that only compiled code has done by the thousandth time. */
const LOOP_PHP = `<?php
function sum(int $n): int { $s = 0; for ($i = 0; $i < $n; $i++) $s = ($s * 3 + $i) % 1000003; return $s; }
$first = sum(100); $last = 0;
for ($i = 0; $i < 2000; $i++) $last = sum(100);
echo json_encode([$first === $last, $last]);`;

const preload = (text: string) => `<?php function preloaded() { return '${text} ' . PHP_MAJOR_VERSION; }`;

/** Not the scanned folder's settings: only what a pool's own php.ini says. */
const NO_SCANNED_INI = { PHP_INI_SCAN_DIR: '' };

interface Pools {
  readonly tsfpm: Daemon;
  readonly other: string;
  readonly pools: Readonly<Record<'tested' | 'other', Settings>>;
}

async function startBoth(t: TestContext): Promise<Pools> {
  const other = join(programFolder(t), 'other-php-cgi');
  copyFileSync(SYSTEM_PHP_CGI, other);
  const common = { 'php_admin_value[opcache.preload_user]': WORKER_USER, 'pm.max_children': 2 };
  const pools = {
    tested: {
      ...common,
      php_cgi: PHP_CGI,
      php_ini: '{folder}/www/tested.ini',
      'php_admin_value[opcache.preload]': '{folder}/www/preload-tested.php',
      'php_admin_value[opcache.memory_consumption]': 40,
      'php_value[precision]': 9,
      ...(HAS_JIT
        ? { 'php_admin_value[opcache.jit]': 'tracing', 'php_admin_value[opcache.jit_buffer_size]': '8M' }
        : {}),
    },
    other: {
      ...common,
      php_cgi: other,
      php_ini: '{folder}/www/other.ini',
      'php_admin_value[memory_limit]': '96M',
      'php_admin_value[opcache.preload]': '{folder}/www/preload-other.php',
      'php_admin_value[opcache.memory_consumption]': 24,
      ...(SYSTEM_HAS_JIT ? { 'php_admin_value[opcache.jit_buffer_size]': 0 } : {}),
    },
  };
  const tsfpm = await startTsfpm(t, {
    pools,
    files: {
      'who.php': WHO_PHP,
      'loop.php': LOOP_PHP,
      'preload-tested.php': preload('tested'),
      'preload-other.php': preload('other'),
      'tested.ini': `${PHP_INI_START || systemIni('ctype')}memory_limit = 64M\ntsfpm_test.mark = one\n`,
      'other.ini': `${systemIni('tokenizer')}memory_limit = 65M\ntsfpm_test.mark = two\n`,
    },
    environment: NO_SCANNED_INI,
  });
  return { tsfpm, other, pools };
}

/** From PHP 8.5 on opcache is built in, and naming it is a warning. */
function systemIni(extension: string): string {
  return `${Number(systemVersion) < 8.5 ? 'zend_extension = opcache\n' : ''}extension = ${extension}\n`;
}

const ask = (tsfpm: Daemon, pool: string) => tsfpm.getJson<Who>('who.php', { pool });

/** An idle worker of the old generation may take one more request before it hears that it is to leave. */
function askRenewed(tsfpm: Daemon, pool: string, old: number | undefined): Promise<Who> {
  return until(`pool ${pool} is renewed`, async () => {
    const who = await ask(tsfpm, pool);
    return who.zygote !== old && who;
  });
}

test('two pools have each their own php-cgi, php.ini, extensions, preloading, JIT and memory', async (t) => {
  const { tsfpm, other } = await startBoth(t);
  const [mine, theirs] = [await ask(tsfpm, 'tested'), await ask(tsfpm, 'other')];

  assert.ok(mine.version.startsWith(`${phpVersion()}.`), mine.version);
  assert.ok(theirs.version.startsWith(`${systemVersion}.`), theirs.version);
  if (!IS_SAME) assert.notEqual(mine.version, theirs.version);
  for (const [pool, { pid, zygote }, binary] of [
    ['tested', mine, PHP_CGI],
    ['other', theirs, other],
  ] as const) {
    assert.equal(zygote, tsfpm.zygote(pool));
    assert.equal(readlinkSync(`/proc/${pid}/exe`), binary);
  }

  const folder = tsfpm.folder.at('www');
  assert.deepEqual(
    [mine.ini, mine.mark, mine.memory, mine.precision, mine.opcacheMemory, mine.preloaded?.split(' ')[0]],
    [`${folder}/tested.ini`, 'one', '64M', '9', 40, 'tested'],
  );
  assert.deepEqual(
    [theirs.ini, theirs.mark, theirs.memory, theirs.precision, theirs.opcacheMemory, theirs.preloaded],
    [`${folder}/other.ini`, 'two', '96M', '14', 24, `other ${theirs.version.split('.')[0]}`],
  );
  assert.ok(mine.extensions.includes('ctype'));
  assert.ok(theirs.extensions.includes('tokenizer') && !theirs.extensions.includes('ctype'));
  if (IS_SAME) assert.ok(!mine.extensions.includes('tokenizer'));
  assert.ok(mine.scripts.includes('preload-tested.php') && !mine.scripts.includes('preload-other.php'));
  assert.ok(theirs.scripts.includes('preload-other.php') && !theirs.scripts.includes('preload-tested.php'));
  assert.deepEqual([mine.jit, (mine.jitBytes ?? 0) > 0], HAS_JIT ? [true, true] : [null, false]);
  assert.ok(!theirs.jit);
});

test('each pool keeps its opcache for its workers, and compiled code goes on through a reload', async (t) => {
  const { tsfpm, pools } = await startBoth(t);
  for (const pool of ['tested', 'other']) {
    const pids = new Set<number>();
    let last: Who | undefined;
    for (let i = 0; i < 60 && (pids.size < 2 || (last?.hits ?? 0) < 3); i++) {
      last = await ask(tsfpm, pool);
      pids.add(last.pid);
    }
    assert.equal(pids.size, 2);
    assert.ok((last?.hits ?? 0) >= 3, JSON.stringify(last));
    // A hundred times over, the second worker with the first one's code.
    const answers = await Promise.all(Array.from({ length: 6 }, () => tsfpm.get('loop.php', { pool })));
    assert.deepEqual([...new Set(answers)], [answers[0]]);
    assert.match(answers[0] ?? '', /^\[true,/);
  }
  const before = [await ask(tsfpm, 'tested'), await ask(tsfpm, 'other')];
  await reload(tsfpm, { pools });
  for (const [i, pool] of ['tested', 'other'].entries()) {
    const { version, preloaded } = await askRenewed(tsfpm, pool, before[i]?.zygote);
    assert.deepEqual([version, preloaded], [before[i]?.version, before[i]?.preloaded]);
  }
  assert.equal(
    await tsfpm.get('loop.php', { pool: 'tested' }),
    await tsfpm.get('loop.php', { pool: 'other' }),
  );
});

test('a reload takes a pool to another php-cgi, with its php.ini, and back', async (t) => {
  const { tsfpm, other, pools } = await startBoth(t);
  const swapped = { ...pools, tested: { ...pools.other } };
  const before = await ask(tsfpm, 'tested');
  await reload(tsfpm, { pools: swapped });
  const moved = await askRenewed(tsfpm, 'tested', before.zygote);
  assert.ok(moved.version.startsWith(`${systemVersion}.`), moved.version);
  assert.equal(readlinkSync(`/proc/${moved.pid}/exe`), other);
  assert.equal(moved.mark, 'two');
  await reload(tsfpm, { pools });
  const back = await askRenewed(tsfpm, 'tested', moved.zygote);
  assert.ok(back.version.startsWith(`${phpVersion()}.`), back.version);
  assert.equal(back.mark, 'one');
});
