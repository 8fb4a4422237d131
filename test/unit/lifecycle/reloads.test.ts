import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fatal, type Problem } from '../../../src/config/problem.js';
import { type ReloadParts, Reloads } from '../../../src/lifecycle/reloads.js';
import type { ReloadReport } from '../../../src/reload/report.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { configOf, POOL } from '../config/memory-disk.js';

const FIRST = configOf(POOL);
const NEXT = configOf(`process_control_timeout = 5\n${POOL}`);
const NOTHING: ReloadReport = { renewed: [], added: [], removed: [], unchanged: [], failed: [] };
const RENEWED: ReloadReport = { ...NOTHING, renewed: ['www'] };
const never = () => false;

/** Reloads whose parts note what is asked of them. */
function reloadsOf(parts: Partial<ReloadParts> = {}, report: ReloadReport = RENEWED) {
  const log = new FakeLog();
  const done: string[] = [];
  const note = (what: string) => () => {
    done.push(what);
  };
  const reloads = new Reloads({
    config: FIRST,
    log,
    pools: {
      reload: async () => {
        done.push('pools');
        return report;
      },
      handOver: () => ({ sockets: [{ key: '/run/www.sock', fd: 7, isLent: false }], zygotes: [] }),
    },
    errorLog: { change: note('error_log') },
    pidFile: { path: undefined, use: note('pid') },
    servers: {
      openHttp: async () => note('http.listen')(),
      openControl: async () => note('control.listen')(),
    },
    systemd: { configure: note('systemd_interval') },
    readConfig: () => ({ config: NEXT, problems: [] }),
    onMistake: note('mistake'),
    ...parts,
  });
  return { reloads, log, done };
}

test('a reload changes the pools, then the rest, and is told in php-fpm’s lines', async () => {
  const { reloads, log, done } = reloadsOf();
  const summary = 'reloaded; pools renewed: www';
  const reasons: string[] = [];
  assert.deepEqual(await reloads.perform(never), { isComplete: true, isInForce: true, summary, reasons });
  assert.deepEqual(done, ['pools', 'systemd_interval', 'error_log', 'pid', 'http.listen', 'control.listen']);
  assert.equal(reloads.config, NEXT);
  assert.equal(reloads.counts.succeeded, 1);
  assert.equal(log.lines[0], 'Reloading in progress ...');
  assert.match(log.lines[1] ?? '', /^reloading: execvp\(/);
  assert.deepEqual(log.lines.slice(2), [
    'using inherited socket fd=7, "/run/www.sock"',
    `fpm is running, pid ${process.pid}`,
    'ready to handle connections',
    summary,
  ]);
});

test('a file that is not good changes nothing', async () => {
  const problems: Problem[] = [
    fatal("[a.conf:3] unknown entry 'x'"),
    { level: 'warning', message: 'old name' },
  ];
  const { reloads, log, done } = reloadsOf({ readConfig: () => ({ config: undefined, problems }) });
  const { isComplete, summary, reasons } = await reloads.perform(never);
  assert.deepEqual([isComplete, summary], [false, 'reload refused: the configuration in force stays']);
  assert.deepEqual(reasons, ["[a.conf:3] unknown entry 'x'"]);
  assert.deepEqual(done, []);
  assert.equal(reloads.config, FIRST);
  assert.deepEqual(log.lines, ['Reloading in progress ...', summary]);
});

test('a file that cannot be read now changes nothing', async () => {
  const readConfig = () => {
    throw Object.assign(new Error('EMFILE: too many open files'), {
      code: 'EMFILE',
      errno: -24,
      syscall: 'open',
    });
  };
  const { reloads, log, done } = reloadsOf({ readConfig });
  assert.equal((await reloads.perform(never)).isComplete, false);
  assert.deepEqual(done, []);
  assert.match(log.lines[1] ?? '', /too many open files/i);
});

test('what cannot be applied is named, and the rest is in force', async () => {
  const errorLog = {
    change: () => {
      throw new Error('cannot open it');
    },
  };
  const report = { ...RENEWED, failed: [{ pool: 'shop', reason: 'no user' }] };
  const { reloads, log, done } = reloadsOf({ errorLog }, report);
  const { isComplete, summary, reasons } = await reloads.perform(never);
  assert.equal(isComplete, false);
  assert.deepEqual(reasons, ['[pool shop] no user', 'cannot open it']);
  assert.equal(summary, 'reloaded; pools renewed: www; not in force: pool shop, error_log');
  assert.deepEqual(done.slice(-3), ['pid', 'http.listen', 'control.listen']);
  assert.ok(log.lines.includes('cannot open it'));
  assert.equal(reloads.config, NEXT);
});

test('a reload that changes no pool has none of the lines of a new start', async () => {
  const { reloads, log } = reloadsOf({}, NOTHING);
  await reloads.perform(never);
  assert.deepEqual(log.lines, ['Reloading in progress ...', 'reloaded; pools none']);
});

test('a stop that comes meanwhile ends it', async () => {
  const { reloads, done } = reloadsOf();
  const { summary } = await reloads.perform(() => true);
  assert.equal(summary, 'reload given up: the master is stopping');
  assert.deepEqual(done, ['pools']);
  assert.equal(reloads.config, FIRST);
});

test('a mistake is passed on, and the reload has failed', async () => {
  const readConfig = () => {
    throw new TypeError('nobody thought of it');
  };
  const { reloads, done } = reloadsOf({ readConfig });
  assert.equal((await reloads.perform(never)).summary, 'reload failed: internal error');
  assert.deepEqual(done, ['mistake']);
});

test('reloads are counted, and the last one is remembered', async () => {
  const answers = [NEXT, undefined, undefined, NEXT];
  const { reloads } = reloadsOf({ readConfig: () => ({ config: answers.shift(), problems: [] }) });
  const isLast: boolean[] = [reloads.counts.isLastComplete];
  while (answers.length > 0) {
    await reloads.perform(never);
    isLast.push(reloads.counts.isLastComplete);
  }
  assert.deepEqual(isLast, [true, true, false, false, true]);
  const { succeeded, failed } = reloads.counts;
  assert.deepEqual([succeeded, failed], [2, 2]);
});

test('many pools are counted, not named', async () => {
  const many = Array.from({ length: 499 }, (_, i) => `p${i}`);
  const failed = many.map((pool) => ({ pool, reason: 'no user' }));
  const told = async (report: Partial<ReloadReport>) =>
    (await reloadsOf({}, { ...NOTHING, ...report }).reloads.perform(never)).summary;
  assert.equal(
    await told({ renewed: ['www'], unchanged: many }),
    'reloaded; pools renewed: www; 499 unchanged',
  );
  assert.match(
    await told({ failed }),
    /^reloaded; pools none; not in force: pool p0, .*, pool p7 and 491 more$/,
  );
});
