import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MASTER_SIGNALS, type MasterState, TRANSITIONS } from '../../../src/lifecycle/transitions.js';

const STATES = Object.keys(TRANSITIONS) as MasterState[];
/** The way down; nothing leads back. */
const ORDER: readonly MasterState[] = [
  'starting',
  'running',
  'reloading',
  'finishing',
  'terminating',
  'killing',
];

test('no signal ever leads back', () => {
  for (const state of STATES)
    for (const signal of MASTER_SIGNALS) {
      const { next } = TRANSITIONS[state][signal];
      assert.ok(ORDER.indexOf(next) >= ORDER.indexOf(state), `${signal} in ${state} leads to ${next}`);
    }
});

test('SIGINT kills from everywhere; SIGTERM twice does', () => {
  for (const state of STATES) {
    assert.equal(TRANSITIONS[state].SIGINT.next, 'killing');
    const { next } = TRANSITIONS[state].SIGTERM;
    assert.equal(TRANSITIONS[next].SIGTERM.next, 'killing');
  }
});

test('logs are re-opened in every state, and nothing else comes of it', () => {
  for (const state of STATES)
    assert.deepEqual(TRANSITIONS[state].SIGUSR1, { next: state, action: 'reopen logs' });
});

test('a reload is for a running daemon only, by SIGHUP as by SIGUSR2', () => {
  for (const state of STATES)
    for (const signal of ['SIGUSR2', 'SIGHUP'] as const)
      assert.equal(
        TRANSITIONS[state][signal].action === 'reload',
        state === 'running',
        `${signal} in ${state}`,
      );
});

test('a reload that is asked for before one can be done is done after what goes on', () => {
  for (const state of ['starting', 'reloading'] as const)
    for (const signal of ['SIGUSR2', 'SIGHUP'] as const)
      assert.deepEqual(TRANSITIONS[state][signal], { next: state, action: 'reload again' });
});

test('a state that is entered already is not entered again', () => {
  assert.equal(TRANSITIONS.finishing.SIGQUIT.action, 'ignore');
  assert.equal(TRANSITIONS.killing.SIGTERM.action, 'ignore');
  assert.equal(TRANSITIONS.killing.SIGINT.action, 'ignore');
  assert.equal(TRANSITIONS.terminating.SIGQUIT.action, 'ignore');
});
