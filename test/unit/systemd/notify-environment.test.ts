import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeNotifyEnvironment } from '../../../src/systemd/notify-environment.js';

type Variables = Record<string, string | undefined>;

function taken(environment: Variables) {
  const { variables: _, ...rest } = takeNotifyEnvironment(environment, 77) ?? { variables: {} };
  return 'socket' in rest ? rest : undefined;
}

const SOCKET = '/run/systemd/notify';
const CASES: readonly [what: string, environment: Variables, expected: object | undefined][] = [
  ['nothing without a socket', { WATCHDOG_USEC: '30000000' }, undefined],
  ['nothing for an empty address', { NOTIFY_SOCKET: '' }, undefined],
  ['nothing for an address of another kind', { NOTIFY_SOCKET: 'vsock:2:1234' }, undefined],
  ['a path', { NOTIFY_SOCKET: SOCKET }, { socket: SOCKET, watchdogMs: undefined }],
  ['an abstract name', { NOTIFY_SOCKET: '@x' }, { socket: '@x', watchdogMs: undefined }],
  [
    'a watchdog for anyone',
    { NOTIFY_SOCKET: SOCKET, WATCHDOG_USEC: '30000000' },
    { socket: SOCKET, watchdogMs: 30_000 },
  ],
  [
    'a watchdog for this process',
    { NOTIFY_SOCKET: SOCKET, WATCHDOG_USEC: '1500', WATCHDOG_PID: '77' },
    { socket: SOCKET, watchdogMs: 1.5 },
  ],
  [
    'no watchdog of another process',
    { NOTIFY_SOCKET: SOCKET, WATCHDOG_USEC: '1500', WATCHDOG_PID: '78' },
    { socket: SOCKET, watchdogMs: undefined },
  ],
  [
    'no watchdog of 0',
    { NOTIFY_SOCKET: SOCKET, WATCHDOG_USEC: '0' },
    { socket: SOCKET, watchdogMs: undefined },
  ],
  [
    'no watchdog that is no number',
    { NOTIFY_SOCKET: SOCKET, WATCHDOG_USEC: '-5' },
    { socket: SOCKET, watchdogMs: undefined },
  ],
];

for (const [what, environment, expected] of CASES) {
  test(`takes ${what}`, () => assert.deepEqual(taken({ ...environment }), expected));
}

test('the variables leave the environment, and are kept for a successor', () => {
  const variables = { NOTIFY_SOCKET: SOCKET, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '77' };
  const environment: Variables = { ...variables, PATH: '/bin' };
  assert.deepEqual(takeNotifyEnvironment(environment, 77)?.variables, variables);
  assert.deepEqual(environment, { PATH: '/bin' });
});
