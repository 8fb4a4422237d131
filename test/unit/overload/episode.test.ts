import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beginText, type Episode, endText, isOver, prolong } from '../../../src/overload/episode.js';

const LIMITS = { timeoutMs: 10_000, most: 100 };

function episodeOf(...outcomes: [nowMs: number, outcome: 'refused' | 'gone'][]): Episode {
  let episode: Episode | undefined;
  for (const [nowMs, outcome] of outcomes) episode = prolong(episode, outcome, nowMs);
  assert.ok(episode);
  return episode;
}

test('an episode counts from the first client on, and is over when nobody was turned away for a while', () => {
  const episode = episodeOf([500, 'refused'], [700, 'gone'], [31_000, 'refused']);
  assert.deepEqual(episode, { sinceMs: 500, lastMs: 31_000, refused: 2, gone: 1 });
  assert.equal(isOver(episode, LIMITS, 40_999), false);
  assert.equal(isOver(episode, LIMITS, 41_000), true);
  assert.equal(isOver(episode, { timeoutMs: 0, most: 1 }, 32_999), false);
  assert.equal(isOver(episode, { timeoutMs: 0, most: 1 }, 33_000), true);
});

test('what is told of it', () => {
  assert.equal(
    beginText('timeout', LIMITS),
    'overloaded: clients have waited for queue.timeout (10 s); those that have waited longest get 503 Service Unavailable',
  );
  assert.equal(
    beginText('max', LIMITS),
    'overloaded: more than queue.max (100) clients wait; those that have waited longest get 503 Service Unavailable',
  );
  assert.equal(
    endText(episodeOf([0, 'refused'], [30_400, 'gone'])),
    'overloaded no more: in 30 s 1 client(s) got 503 Service Unavailable, 1 had left before',
  );
});
