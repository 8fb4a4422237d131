import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { livePage } from '../../../src/live/page.js';
import { quantileS } from '../../../src/status/quantile.js';

const PAGE = livePage();
assert.ok(PAGE !== undefined);
const POLICY = PAGE.headers['Content-Security-Policy'] ?? '';

/** Scripts of the page, whose functions need no page around them. */
// biome-ignore lint/suspicious/noExplicitAny: it is JavaScript without types, as a browser gets it
const load = (name: string): Promise<any> =>
  import(new URL(`../../../../src/live/${name}`, import.meta.url).href);
const figures = await load('figures.mjs');
const charts = await load('charts.mjs');

function inner(tag: string): string {
  const found = [...(PAGE?.html ?? '').matchAll(new RegExp(`<${tag}(?: [^>]*)?>([\\s\\S]*?)</${tag}>`, 'g'))];
  assert.equal(found.length, 1, `one ${tag}`);
  return found[0]?.[1] ?? '';
}

test('its policy allows its own script and style, its own address, and nothing else', () => {
  const hash = (text: string) => createHash('sha256').update(text).digest('base64');
  assert.ok(POLICY.startsWith("default-src 'none'; "));
  assert.ok(POLICY.includes(`script-src 'sha256-${hash(inner('script'))}';`));
  assert.ok(POLICY.includes(`style-src 'sha256-${hash(inner('style'))}';`));
  assert.ok(POLICY.includes("connect-src 'self';"));
  assert.doesNotMatch(POLICY, /unsafe|\*|http/);
});

test('it needs no other resource, and sets no markup', () => {
  assert.doesNotMatch(
    PAGE.html.replaceAll(/http:\/\/www\.w3\.org\/2000\/svg/g, ''),
    /https?:|\/\/[a-z]+\.|@import|url\(/i,
  );
  assert.doesNotMatch(
    PAGE.html,
    / style="| on[a-z]+="|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/,
  );
  assert.ok(!PAGE.html.includes('{style}') && !PAGE.html.includes('{script}'));
});

const POOL = {
  name: 'www',
  startEpochS: 5,
  requests: 100,
  listenQueue: 2,
  active: 0,
  maxChildren: 4,
  serverErrors: 1,
  refused: 0,
  deaths: { retired: 9 } as Record<string, number>,
  durations: { boundsS: [0.01, 0.1], counts: [100, 0, 0] },
};
const before = (pool: object) => ({ pool, atMs: 1000 });

test('a moment is what happened between two looks', () => {
  const now = {
    ...POOL,
    requests: 150,
    serverErrors: 3,
    deaths: { retired: 10, 'signal SEGV': 1, 'timed out': 2 },
    durations: { boundsS: [0.01, 0.1], counts: [100, 50, 0] },
  };
  const { rate, queue, p50, p99, errors } = figures.momentOf(now, before(POOL), 3000);
  assert.deepEqual([rate, queue, Math.round(p50), Math.round(p99), errors], [25, 2, 55, 99, 5]);
  for (const other of [undefined, before({ ...POOL, startEpochS: 4 }), before({ ...POOL, requests: 151 })])
    assert.equal(figures.momentOf(now, other, 3000).rate, undefined);
  assert.equal(figures.momentOf(POOL, before(POOL), 3000).p50, undefined);
});

test('a pool without requests is idle after a minute, and keeps no history after five', () => {
  const history = new figures.PoolHistory();
  const idle = { ...POOL, listenQueue: 0 };
  history.add(idle, 0);
  assert.deepEqual([history.isIdle, history.moments.length], [true, 0]);
  history.add({ ...idle, requests: 101 }, 2000);
  assert.deepEqual([history.isIdle, history.moments.length, history.now.rate], [false, 1, 0.5]);
  for (let at = 4000; at <= 64_000; at += 2000) history.add({ ...idle, requests: 101 }, at);
  assert.deepEqual([history.isIdle, history.moments.length], [true, 32]);
  for (let at = 66_000; at <= 304_000; at += 2000) history.add({ ...idle, requests: 101 }, at);
  assert.equal(history.moments.length, 0);
  history.add({ ...idle, requests: 101, trouble: 'no php-cgi' }, 306_000);
  assert.equal(history.isIdle, false);
});

test('a name is text without what is not seen, and stays a name', () => {
  assert.equal(figures.nameText('a\u202eb\0c\u200bd<b>'), 'a\ufffdb\ufffdc\ufffdd<b>');
  assert.equal(figures.nameText('müller-shop.example'), 'müller-shop.example');
});

test('its quantiles are those of tsfpm top', () => {
  for (const counts of [
    [1, 2, 3],
    [0, 0, 9],
    [5, 0, 1],
  ])
    for (const share of [0, 0.5, 0.99, 1]) {
      const buckets = { boundsS: [0.01, 0.1], counts };
      assert.equal(figures.quantileMs(buckets, share) / 1000, quantileS(buckets, share));
    }
});

test('a line ends at the right, breaks where nothing is known or nobody looked, and stays within its drawing', () => {
  const points = (...values: [number, number | undefined][]) =>
    values.map(([atMs, value]) => ({ atMs, value }));
  assert.equal(charts.linePath([], 1, 1000), '');
  assert.equal(
    charts.linePath(points([0, 0], [2000, 1], [4000, undefined], [6000, 5]), 1, 6000),
    'M0.0 43.0L80.0 2.0M240.0 2.0h1',
  );
  assert.equal(charts.linePath(points([0, 0], [60_000, 0]), 1, 60_000), 'M0.0 43.0h1M240.0 43.0h1');
  assert.equal(
    charts.areaPath(points([0, undefined], [2000, 1], [4000, 1]), 2, 8000),
    'M180.0 43.0L180.0 22.5L240.0 22.5L240.0 43.0Z',
  );
  assert.deepEqual(
    [[], points([0, 1]), points([0, 1], [61_000, 1]), points([0, 1], [900_000, 1])].map(figures.spanOf),
    [60_000, 60_000, 120_000, 300_000],
  );
});

const TEXTS: readonly [actual: string, expected: string][] = [
  [figures.countText(undefined), '–'],
  [figures.countText(9999), '9999'],
  [figures.countText(12_345), '12.3 k'],
  [figures.countText(5e9), '5.0 G'],
  [figures.rateText(0), '0'],
  [figures.rateText(1.25), '1.3'],
  [figures.tookText(0.5), '0.5 ms'],
  [figures.tookText(9.97), '10 ms'],
  [figures.tookText(1500), '1.5 s'],
  [figures.tookText(1e9), '11 d'],
  [figures.bytesText(1536), '1.5 KiB'],
  [figures.bytesText(50 * 1024 * 1024), '50 MiB'],
];

for (const [actual, expected] of TEXTS) test(`it writes '${expected}'`, () => assert.equal(actual, expected));
