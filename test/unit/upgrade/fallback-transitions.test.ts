import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MASTER_SIGNALS } from '../../../src/lifecycle/transitions.js';
import { FALLBACK_TRANSITIONS, type FallbackState } from '../../../src/upgrade/fallback-transitions.js';

/** The way down; nothing leads back. */
const ORDER: readonly FallbackState[] = ['serving', 'finishing', 'killing'];

test('no signal ever leads back', () => {
  for (const state of ORDER)
    for (const signal of MASTER_SIGNALS) {
      const { next } = FALLBACK_TRANSITIONS[state][signal];
      assert.ok(ORDER.indexOf(next) >= ORDER.indexOf(state), `${signal} in ${state} leads to ${next}`);
    }
});

test('a state is entered by its action, and never twice', () => {
  for (const state of ORDER)
    for (const signal of MASTER_SIGNALS) {
      const { next, action } = FALLBACK_TRANSITIONS[state][signal];
      const expected = { serving: ['ignore', 'try again'], finishing: ['finish'], killing: ['kill'] }[next];
      assert.ok((next === state && state !== 'serving' ? ['ignore'] : expected).includes(action));
    }
});

test('SIGINT kills from everywhere; SIGTERM twice does, SIGQUIT twice does not', () => {
  for (const state of ORDER) {
    assert.equal(FALLBACK_TRANSITIONS[state].SIGINT.next, 'killing');
    assert.equal(FALLBACK_TRANSITIONS[FALLBACK_TRANSITIONS[state].SIGTERM.next].SIGTERM.next, 'killing');
  }
  assert.equal(FALLBACK_TRANSITIONS.finishing.SIGQUIT.next, 'finishing');
});

test('the start is tried again while the former workers serve only', () => {
  for (const state of ORDER)
    for (const signal of ['SIGUSR2', 'SIGHUP'] as const)
      assert.equal(FALLBACK_TRANSITIONS[state][signal].action === 'try again', state === 'serving');
});
