import assert from 'node:assert/strict';
import { test } from 'node:test';
import { troubleOf } from '../../../src/lifecycle/outcome.js';

test('what is complete is no trouble; what is not is told with its first reason', () => {
  const summary = 'reload refused';
  assert.equal(troubleOf({ isComplete: true, summary: 'reloaded' }), undefined);
  assert.equal(troubleOf({ isComplete: false, summary }), summary);
  assert.equal(troubleOf({ isComplete: false, summary, reasons: ['[a:1] no'] }), 'reload refused: [a:1] no');
  assert.equal(
    troubleOf({ isComplete: false, summary, reasons: ['[a:1] no', '[a:2] no', '[b:1] no'] }),
    'reload refused: [a:1] no (and 2 more)',
  );
});
