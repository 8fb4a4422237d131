import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MASTER_SIGNALS,
  type MasterAction,
  type MasterSignal,
  type MasterState,
  TRANSITIONS,
} from '../../../src/lifecycle/transitions.js';

/** What happens to a master besides signals. */
type Event = MasterSignal | 'started' | 'reload done';
const EVENTS: readonly Event[] = [...MASTER_SIGNALS, 'started', 'reload done'];

/** The table driven as the master drives it. */
class Driven {
  state: MasterState = 'starting';
  readonly actions: MasterAction[] = [];
  isReloadWanted = false;

  take(event: Event): void {
    if (event === 'started' || event === 'reload done') {
      if (this.state !== (event === 'started' ? 'starting' : 'reloading')) return;
      this.state = 'running';
      if (this.isReloadWanted) this.take('SIGUSR2');
      return;
    }
    const { next, action } = TRANSITIONS[this.state][event];
    this.state = next;
    this.actions.push(action);
    if (action === 'reload') this.isReloadWanted = false;
    if (action === 'reload again') this.isReloadWanted = true;
  }
}

/** The same in other words, from what a user may rely on, without a table. */
class Model {
  isUp = false;
  isReloading = false;
  wanted = 0;
  reloads = 0;
  reopened = 0;
  /** 0 serves, 1 finishes, 2 terminates, 3 kills. */
  urgency = 0;

  take(event: Event): void {
    if (event === 'SIGUSR1') this.reopened++;
    else if (event === 'SIGQUIT') this.urgency = Math.max(this.urgency, 1);
    else if (event === 'SIGINT') this.urgency = 3;
    else if (event === 'SIGTERM') this.urgency = this.urgency >= 2 ? 3 : 2;
    else if (this.urgency === 0) this.#live(event);
  }

  #live(event: Event): void {
    if (event === 'started') this.isUp = true;
    else if (event === 'reload done') this.isReloading = false;
    else this.wanted = 1;
    if (!this.isUp || this.isReloading || this.wanted === 0) return;
    this.isReloading = true;
    this.wanted = 0;
    this.reloads++;
  }
}

const URGENCY: Readonly<Record<MasterState, number>> = {
  starting: 0,
  running: 0,
  reloading: 0,
  finishing: 1,
  terminating: 2,
  killing: 3,
};

test('any sequence of signals, at any moment, does what the model says', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...EVENTS), { maxLength: 40 }), (events) => {
      const driven = new Driven();
      const model = new Model();
      for (const event of events) {
        driven.take(event);
        model.take(event);
        const count = (action: MasterAction) => driven.actions.filter((each) => each === action).length;
        assert.equal(URGENCY[driven.state], model.urgency);
        assert.equal(count('reopen logs'), model.reopened);
        assert.equal(count('reload'), model.reloads);
        if (model.urgency > 0) continue;
        assert.equal(driven.state === 'reloading', model.isReloading);
        assert.equal(driven.isReloadWanted, model.wanted > 0);
      }
    }),
    { numRuns: 2000 },
  );
});

test('each way of stopping is entered once at most, and never a milder one after a harsher one', () => {
  const order: readonly MasterAction[] = ['finish', 'terminate', 'kill'];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...EVENTS), { maxLength: 40 }), (events) => {
      const driven = new Driven();
      for (const event of events) driven.take(event);
      const stops = driven.actions
        .filter((action) => order.includes(action))
        .map((each) => order.indexOf(each));
      assert.deepEqual(stops, [...new Set(stops)].sort());
    }),
    { numRuns: 2000 },
  );
});
