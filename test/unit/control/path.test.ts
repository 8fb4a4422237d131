import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlPath } from '../../../src/control/path.js';

const CASES: readonly [listen: string | undefined, pid: string | undefined, path: string | undefined][] = [
  [undefined, undefined, undefined],
  ['', '', undefined],
  ['/run/c', undefined, '/run/c'],
  ['/run/c', '/run/tsfpm.pid', '/run/c'],
  [undefined, '/run/tsfpm.pid', '/run/tsfpm.control'],
  ['', '/run/pid', '/run/pid.control'],
  [undefined, '/run/a.pid.d/b', '/run/a.pid.d/b.control'],
];

for (const [listen, pid, path] of CASES) {
  test(`control.listen ${listen}, pid ${pid}: ${path}`, () => assert.equal(controlPath(listen, pid), path));
}
