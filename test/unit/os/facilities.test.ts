import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AskedCall, callFailure } from '../../../src/os/facilities.js';
import { descriptorsOf } from '../../helpers/processes.js';

const CALLS: readonly AskedCall[] = [
  'accept4',
  'close_range',
  'memfd_create',
  'prctl(PR_SET_PDEATHSIG)',
  'ptrace',
  'signalfd',
  'waitid',
];

test('asking does nothing, and finds what this machine grants', () => {
  const before = descriptorsOf(process.pid).size;
  // The tests of this project need all of them.
  for (const call of CALLS) assert.equal(callFailure(call), undefined, call);
  assert.equal(descriptorsOf(process.pid).size, before);
});
