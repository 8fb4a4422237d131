import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { livePage } from '../../../src/live/page.js';
import { quantileS } from '../../../src/status/quantile.js';

const PAGE = livePage();
assert.ok(PAGE !== undefined);
const POLICY = PAGE.headers['Content-Security-Policy'] ?? '';

/** The script of the page, whose functions need no page around them. */
// biome-ignore lint/suspicious/noExplicitAny: it is JavaScript without types, as a browser gets it
const script: any = await import(new URL('../../../../src/live/page.mjs', import.meta.url).href);

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
  startEpochS: 5,
  requests: 100,
  listenQueue: 2,
  durations: { boundsS: [0.01, 0.1], counts: [100, 0, 0] },
};

test('a moment is what happened between two looks', () => {
  const now = { ...POOL, requests: 150, durations: { boundsS: [0.01, 0.1], counts: [100, 50, 0] } };
  const { rate, queue, p50, p99 } = script.momentOf(now, POOL, 2000);
  assert.deepEqual([rate, queue, Math.round(p50), Math.round(p99)], [25, 2, 55, 99]);
  for (const before of [undefined, { ...POOL, startEpochS: 4 }, { ...POOL, requests: 151 }])
    assert.equal(script.momentOf(now, before, 2000).rate, undefined);
  assert.equal(script.momentOf(now, POOL, Number.NaN).rate, undefined);
  assert.equal(script.momentOf(POOL, POOL, 2000).p50, undefined);
});

test('its quantiles are those of tsfpm top', () => {
  for (const counts of [
    [1, 2, 3],
    [0, 0, 9],
    [5, 0, 1],
  ])
    for (const share of [0, 0.5, 0.99, 1]) {
      const buckets = { boundsS: [0.01, 0.1], counts };
      assert.equal(script.quantileMs(buckets, share) / 1000, quantileS(buckets, share));
    }
});

test('a line ends at the right, breaks where nothing is known, and stays within its drawing', () => {
  assert.equal(script.linePath([], 1), '');
  assert.match(script.linePath([0, 1, undefined, 5], 1), /^M[\d.]+ 43\.0L[\d.]+ 2\.0M240\.0 2\.0h1$/);
  assert.match(
    script.areaPath([undefined, 1, 1], 2),
    /^M[\d.]+ 43\.0L[\d.]+ 22\.5L240\.0 22\.5L240\.0 43\.0Z$/,
  );
  const long = script.linePath(
    Array.from({ length: 200 }, (_, i) => i),
    199,
  );
  assert.match(long, /^M0\.0 43\.0/);
  assert.match(long, /L240\.0 2\.0$/);
});

const TEXTS: readonly [actual: string, expected: string][] = [
  [script.countText(undefined), '–'],
  [script.countText(9999), '9999'],
  [script.countText(12_345), '12.3 k'],
  [script.countText(5e9), '5.0 G'],
  [script.rateText(0), '0'],
  [script.rateText(1.25), '1.3'],
  [script.tookText(0.5), '0.5 ms'],
  [script.tookText(9.97), '10 ms'],
  [script.tookText(1500), '1.5 s'],
  [script.tookText(1e9), '11 d'],
  [script.bytesText(1536), '1.5 KiB'],
  [script.bytesText(50 * 1024 * 1024), '50 MiB'],
];

for (const [actual, expected] of TEXTS) test(`it writes '${expected}'`, () => assert.equal(actual, expected));
