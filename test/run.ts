/**
 * What `npm test` runs after lint and build: every unit test, then every integration test. Those of `--page`, which need
 * a browser, and of `--servers`, which need web servers, only where they are asked for.
 *
 *   node dist/test/run.js [--unit] [--integration] [--page] [--servers] [--grep PATTERN] [WORD...]
 *
 * A WORD keeps the files whose path holds it, or one of WORD|WORD; --grep keeps the tests whose name matches.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = fileURLToPath(new URL('.', import.meta.url));
/** Files at a time: they wait more than they compute, but time is what some of them measure. */
const CONCURRENCY = 2;
/** A file that takes longer hangs. */
const FILE_TIMEOUT_MS = 150_000;

/** How node:test calls a test that --grep leaves out. */
const UNMATCHED = 'test name does not match pattern';

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    unit: { type: 'boolean', default: false },
    integration: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    servers: { type: 'boolean', default: false },
    grep: { type: 'string' },
  },
});

const wantsAll = !values.unit && !values.integration && !values.page && !values.servers;
const tally: Tally = { passed: 0, failed: 0, skipped: 0 };
if (wantsAll || values.unit) await runFolder('unit');
if (wantsAll || values.integration) await runFolder('integration');
if (values.page) await runFolder('page');
if (values.servers) await runFolder('servers');
if (tally.passed + tally.failed + tally.skipped === 0) {
  console.error('no test has such a name');
  tally.failed = 1;
}
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
process.exit(tally.failed === 0 ? 0 : 1);

async function runFolder(folder: string): Promise<void> {
  const files = testFiles(join(HERE, folder));
  if (files.length === 0) return;
  const events = run({
    files,
    concurrency: CONCURRENCY,
    timeout: FILE_TIMEOUT_MS,
    ...(values.grep === undefined ? {} : { testNamePatterns: values.grep }),
  });
  events.on('test:pass', ({ name, details, skip }) => {
    if (details.type === 'suite' || files.includes(name)) return;
    if (skip === undefined || skip === false) tally.passed++;
    else if (skip !== UNMATCHED) tally.skipped++;
  });
  events.on('test:fail', ({ details }) => {
    if (details.type !== 'suite') tally.failed++;
  });
  const output = events.compose(new spec());
  output.pipe(process.stdout, { end: false });
  await new Promise((resolve) => output.once('end', resolve));
}

/** Node 20 has no globs. */
function testFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(folder, name))
    .filter((path) =>
      positionals.every((words) => words.split('|').some((word) => relative(HERE, path).includes(word))),
    )
    .sort();
}
