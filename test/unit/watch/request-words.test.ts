import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePair } from '../../../src/fastcgi/encode.js';
import type { SlotSnapshot } from '../../../src/scoreboard/scoreboard.js';
import { lostRequestText } from '../../../src/watch/request-words.js';

const PARAMS: Readonly<Record<string, string>> = {
  REQUEST_METHOD: 'GET',
  SCRIPT_NAME: '/index.php',
  SCRIPT_FILENAME: '/srv/index.php',
  QUERY_STRING: 'a=1',
};

function snapshot(stage: SlotSnapshot['stage'], params: Readonly<Record<string, string>> = {}): SlotSnapshot {
  const pairs = Object.entries({ ...PARAMS, ...params }).map(([name, value]) => encodePair(name, value));
  // Only what a lost request is told from.
  const known: Partial<SlotSnapshot> = {
    stage,
    requestStartNs: process.hrtime.bigint() - 1_500_000_000n,
    params: Buffer.concat(pairs),
  };
  return known as SlotSnapshot;
}

test('method, target, script and duration are told', () => {
  assert.match(
    lostRequestText(snapshot('executing')),
    /^, script '\/srv\/index\.php' \(request: "GET \/index\.php\?a=1"\) was lost after 1\.5[0-9]{5} sec$/,
  );
});

test('without a query there is no question mark', () => {
  assert.match(lostRequestText(snapshot('executing', { QUERY_STRING: '' })), /"GET \/index\.php"/);
});

for (const stage of ['accepting', 'waiting'] as const)
  test(`a worker that is ${stage} had nothing in hand`, () => {
    assert.equal(lostRequestText(snapshot(stage)), '');
  });

test('a slot that cannot be read tells nothing', () => assert.equal(lostRequestText(undefined), ''));

test('no byte that a client can send makes another line', () => {
  const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
  const hostile = Object.fromEntries(Object.keys(PARAMS).map((name) => [name, all]));
  const text = lostRequestText(snapshot('executing', hostile));
  for (const char of text) assert.ok(char >= ' ' && char !== '\u007f', JSON.stringify(char));
});
