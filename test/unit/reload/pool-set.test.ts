import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../../src/config/config.js';
import type { MasterLog } from '../../../src/log/master-log.js';
import { PoolSet } from '../../../src/reload/pool-set.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { configOf } from '../config/memory-disk.js';
import { FakeGenerations, fakeTools, settle } from '../pool/fake-generations.js';

type Sections = Readonly<Record<string, string>>;

/** Pools on sockets in a folder of the test, with generations that have no processes. */
function scene(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-set-'));
  const log = new FakeLog();
  const generations = new FakeGenerations();
  const mistakes: unknown[] = [];
  const pools = new PoolSet({
    log: log as unknown as MasterLog,
    tools: fakeTools(log, () => performance.now()),
    php: { ini: undefined, noIni: false, defines: [], profileInfo: false },
    environment: {},
    privilege: { isRoot: false, allowRoot: false },
    onMistake: (error) => mistakes.push(error),
    generations,
  });
  /** @param addresses of the pools, by their names: file names in the folder; what follows a blank are more lines */
  const config = (addresses: Sections, global = ''): Config =>
    configOf(
      `[global]\n${global}\n${Object.entries(addresses)
        .map(([pool, text]) => {
          const [address, ...more] = text.split(' ');
          return `[${pool}]\nlisten = ${join(folder, address ?? '')}\npm = static\npm.max_children = 2\n${more.join('\n')}\n`;
        })
        .join('')}`,
      { isRoot: false },
    );
  /** What reloads come to; workers of new generations are ready at once. */
  const reload = async (next: Config) => {
    const report = pools.reload(next);
    let isDone = false;
    void report.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      await settle();
      for (const generation of generations.made) if (generation.isRunning) generation.allReady();
      await new Promise(setImmediate);
    }
    return report;
  };
  const start = async (first: Config) => {
    await pools.start(first);
    pools.run();
    for (const generation of generations.made) generation.allReady();
  };
  t.after(async () => {
    pools.killWorkers();
    for (const generation of generations.made) generation.killWorkers();
    await pools.ended();
    await pools.close();
    rmSync(folder, { recursive: true });
    assert.deepEqual(mistakes, []);
  });
  const isOpen = (address: string) => existsSync(join(folder, address));
  const fdOf = (pool: string) => pools.pools().find(({ config: { name } }) => name === pool)?.plan.listenFd;
  return { pools, generations, log, config, start, reload, isOpen, fdOf };
}

const names = (pools: PoolSet) => pools.pools().map(({ config }) => config.name);

test('a reload renews, adds and removes pools, in the order of the new file', async (t) => {
  const { pools, config, start, reload, isOpen, fdOf } = scene(t);
  await start(config({ a: 'a.sock', b: 'b.sock' }));
  const before = fdOf('a');
  const report = await reload(config({ c: 'c.sock', a: 'a.sock' }));
  assert.deepEqual(report, { renewed: ['a'], added: ['c'], removed: ['b'], unchanged: [], failed: [] });
  assert.deepEqual(names(pools), ['c', 'a']);
  assert.equal(fdOf('a'), before, 'a socket that stays is not touched');
  assert.deepEqual(['a.sock', 'b.sock', 'c.sock'].map(isOpen), [true, false, true]);
});

test('a pool whose new generation fails keeps the old one, a new pool is left out', async (t) => {
  const { pools, generations, log, config, start, reload, isOpen } = scene(t);
  await start(config({ a: 'a.sock', b: 'b.sock' }));
  const old = generations.of('a');
  generations.startFailure = (pool) => (pool === 'a' ? 'php-cgi is broken' : undefined);
  generations.proof = (pool) => (pool === 'n' ? 'its first worker does not answer' : undefined);
  const report = await reload(config({ a: 'a.sock', b: 'b.sock', n: 'n.sock' }));
  assert.deepEqual(report.failed, [
    { pool: 'a', reason: 'php-cgi is broken; it keeps its old generation' },
    { pool: 'n', reason: 'its first worker does not answer; it is left out' },
  ]);
  assert.deepEqual([report.renewed, report.added], [['b'], []]);
  assert.deepEqual(names(pools), ['a', 'b']);
  assert.ok(!old.isDraining);
  assert.ok(!isOpen('n.sock'), 'its socket was bound for nothing');
  assert.ok(log.lines.includes('[pool a] php-cgi is broken; it keeps its old generation'));
});

test('pools may swap their addresses', async (t) => {
  const { config, start, reload, fdOf } = scene(t);
  await start(config({ a: 'a.sock', b: 'b.sock' }));
  const [a, b] = [fdOf('a'), fdOf('b')];
  const report = await reload(config({ a: 'b.sock', b: 'a.sock' }));
  assert.deepEqual(report.renewed, ['a', 'b']);
  assert.deepEqual([fdOf('a'), fdOf('b')], [b, a]);
});

test('an address stays with a pool that cannot be renewed, and whoever wanted it keeps its own', async (t) => {
  const { generations, config, start, reload, fdOf } = scene(t);
  await start(config({ a: 'a.sock', b: 'b.sock', c: 'c.sock' }));
  const before = [fdOf('a'), fdOf('b'), fdOf('c')];
  generations.startFailure = (pool) => (pool === 'c' ? 'php-cgi is broken' : undefined);
  const report = await reload(config({ a: 'b.sock', b: 'c.sock', c: 'a.sock' }));
  const served = (pool: string) =>
    `its address is still served by pool ${pool}, which could not be renewed; it keeps its old generation`;
  assert.deepEqual(report.failed, [
    { pool: 'c', reason: 'php-cgi is broken; it keeps its old generation' },
    { pool: 'b', reason: served('c') },
    { pool: 'a', reason: served('b') },
  ]);
  assert.deepEqual([fdOf('a'), fdOf('b'), fdOf('c')], before);
  assert.ok(
    generations.of('a').isDraining && generations.of('b').isDraining,
    'what was prepared is given up',
  );
});

test('reload_unchanged = no leaves pools alone for which nothing changes', async (t) => {
  const { generations, config, start, reload } = scene(t);
  const keep = 'reload_unchanged = no';
  await start(config({ a: 'a.sock', b: 'b.sock', c: 'c.sock' }, keep));
  generations.of('c').isUpToDate = false;
  const next = config({ a: 'a.sock', b: 'b.sock pm.max_requests=5', c: 'c.sock' }, keep);
  const report = await reload(next);
  assert.deepEqual([report.unchanged, report.renewed], [['a'], ['b', 'c']]);
  assert.deepEqual((await reload(next)).unchanged, ['a', 'b', 'c']);
});

test('a stop during a reload gives up what the reload has prepared', async (t) => {
  const { pools, generations, config, start } = scene(t);
  await start(config({ a: 'a.sock' }));
  const report = pools.reload(config({ a: 'a.sock', n: 'n.sock' }));
  pools.drain();
  assert.deepEqual(await report, { renewed: [], added: [], removed: [], unchanged: [], failed: [] });
  assert.deepEqual(names(pools), ['a']);
  assert.ok(generations.made.every(({ isDraining }) => isDraining));
});

test('a start at which a pool fails tells of each that does', async (t) => {
  const { pools, generations, log, config } = scene(t);
  generations.startFailure = (pool) => (pool === 'b' ? undefined : `${pool} is broken`);
  await assert.rejects(
    pools.start(config({ a: 'a.sock', b: 'b.sock', c: 'c.sock' })),
    /could not be started/,
  );
  assert.deepEqual(log.lines, ['[pool a] a is broken', '[pool c] c is broken']);
});

test('pm.status_listen is opened, moved and closed with its pool', async (t) => {
  const { config, start, reload, isOpen } = scene(t);
  const at = (address: string) => `pm.status_path=/status pm.status_listen=${address}`;
  const folderOf = (one: Config) => one.pools[0]?.listen.replace(/\/[^/]*$/, '') ?? '';
  const plain = config({ a: 'a.sock' });
  const folder = folderOf(plain);
  await start(config({ a: `a.sock ${at(`${folder}/one`)}` }));
  assert.ok(isOpen('one'));
  await reload(config({ a: `a.sock ${at(`${folder}/two`)}` }));
  assert.deepEqual(['one', 'two'].map(isOpen), [false, true]);
  const report = await reload(config({ a: `a.sock ${at(`${folder}/none/three`)}` }));
  assert.match(report.failed[0]?.reason ?? '', /No such file or directory.*; it has no pm.status_listen$/);
  assert.deepEqual(['two', 'a.sock'].map(isOpen), [false, true]);
  await reload(plain);
});

test('process.max stays when nothing of the new file can be', async (t) => {
  const { pools, generations, config, start, reload } = scene(t);
  await start(config({ a: 'a.sock' }));
  generations.startFailure = () => 'php-cgi is broken';
  await reload(config({ a: 'a.sock' }, 'process.max = 1'));
  const [first] = generations.made;
  first?.endOne({ kind: 'exited', code: 0 }, { accepted: 5, ageMs: 5000 });
  assert.equal(pools.pools()[0]?.workerCount, 2, 'the worker is replaced');
});
