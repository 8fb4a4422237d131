import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketsSince, quantileS } from '../../../src/status/quantile.js';

const boundsS = [0.001, 0.01, 0.1, 1];

test('a quantile lies within its bucket, as far as its bucket is filled', () => {
  assert.ok(Math.abs((quantileS({ boundsS, counts: [0, 0, 10, 0, 0] }, 0.5) ?? 0) - 0.055) < 1e-9);
  assert.equal(quantileS({ boundsS, counts: [50, 0, 0, 50, 0] }, 0.5), 0.001);
  assert.ok(Math.abs((quantileS({ boundsS, counts: [50, 0, 0, 50, 0] }, 0.99) ?? 0) - 0.982) < 1e-9);
});

test('what took longer than all bounds is shown as the last one, and nothing as nothing', () => {
  assert.equal(quantileS({ boundsS, counts: [0, 0, 0, 0, 3] }, 0.5), 1);
  assert.equal(quantileS({ boundsS, counts: [0, 0, 0, 0, 0] }, 0.5), undefined);
  assert.equal(quantileS({ boundsS, counts: [] }, 0.5), undefined);
});

test('between two looks only what is new counts, and counting that began anew is noticed', () => {
  const before = { boundsS, counts: [1, 2, 3, 4, 5] };
  assert.deepEqual(bucketsSince({ boundsS, counts: [1, 4, 3, 4, 6] }, before), {
    boundsS,
    counts: [0, 2, 0, 0, 1],
  });
  assert.equal(bucketsSince({ boundsS, counts: [0, 9, 9, 9, 9] }, before), undefined);
});

test('quantiles rise with their share, within the bounds', () => {
  const counts = fc.array(fc.nat(1000), { minLength: 5, maxLength: 5 });
  fc.assert(
    fc.property(
      counts,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (all, a, b) => {
        fc.pre(all.some((count) => count > 0));
        const [low = -1, high = -1] = [Math.min(a, b), Math.max(a, b)].map((share) =>
          quantileS({ boundsS, counts: all }, share),
        );
        assert.ok(low >= 0 && low <= high + 1e-12 && high <= 1);
      },
    ),
  );
});
