import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { monotonicClockUs } from '../../../src/os/clock.js';
import { SystemdService, type SystemdServiceOptions } from '../../../src/systemd/service.js';
import { loadStatus, type ServiceLoad } from '../../../src/systemd/status-text.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { NotifySocket } from './notify-socket.js';

const IDLE: ServiceLoad = { active: 0, idle: 2, requests: 0n, slow: 0n };

/** A service on a socket of its own, in a time that the test moves. */
function service(
  t: TestContext,
  { watchdogMs, ...options }: Partial<SystemdServiceOptions> & { watchdogMs?: number } = {},
) {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const socket = new NotifySocket();
  const log = new FakeLog();
  const made = new SystemdService({
    environment: { socket: socket.address, watchdogMs, variables: {} },
    intervalS: 10,
    isSet: false,
    load: () => IDLE,
    log,
    pid: 42,
    nowMs: () => Date.now(),
    ...options,
  });
  t.after(() => {
    made.close();
    socket.close();
  });
  return { made, socket, log };
}

test('says that it is ready, once the interval runs in what time', (t) => {
  const { made, socket, log } = service(t);
  made.ready();
  assert.deepEqual(socket.received(), ['READY=1\nSTATUS=Ready to handle connections\nMAINPID=42']);
  assert.deepEqual(log.lines, ['have notify start to systemd', 'systemd monitor interval set to 10000ms']);
});

test('reports in php-fpm words, with the traffic since the last report', (t) => {
  let load = IDLE;
  const { made, socket } = service(t, { load: () => load });
  made.ready();
  socket.received();
  load = { active: 3, idle: 1, requests: 25n, slow: 2n };
  t.mock.timers.tick(9999);
  assert.deepEqual(socket.received(), []);
  t.mock.timers.tick(1);
  load = { ...load, requests: 2n ** 63n };
  t.mock.timers.tick(10_000);
  load = { ...load, requests: 5n };
  t.mock.timers.tick(10_000);
  assert.deepEqual(socket.received(), [
    'STATUS=Processes active: 3, idle: 1, Requests: 25, slow: 2, Traffic: 2.50req/sec',
    'STATUS=Processes active: 3, idle: 1, Requests: 9223372036854775808, slow: 2, Traffic: 922337203685477632.00req/sec',
    'STATUS=Processes active: 3, idle: 1, Requests: 5, slow: 2, Traffic: 0.00req/sec',
  ]);
});

const INTERVALS: readonly [what: string, options: object, lines: readonly string[], beatMs: number][] = [
  ['as the file says', { intervalS: 3, isSet: true }, ['systemd monitor interval set to 3000ms'], 3000],
  ['never', { intervalS: 0, isSet: true }, ['systemd monitor disabled'], 0],
  [
    'in half the time of the watchdog',
    { watchdogMs: 30_000 },
    ['systemd watchdog configured to 15sec', 'systemd monitor interval set to 15000ms'],
    15_000,
  ],
  [
    'for the watchdog, whatever the file says',
    { watchdogMs: 2469, intervalS: 3, isSet: true },
    [
      'systemd_interval option ignored',
      'systemd watchdog configured to 1.23sec',
      'systemd monitor interval set to 1234ms',
    ],
    1234,
  ],
  [
    'for a watchdog that php-fpm would not heed',
    { watchdogMs: 1000, intervalS: 0, isSet: true },
    ['systemd watchdog configured to 0.5sec', 'systemd monitor interval set to 500ms'],
    500,
  ],
];

for (const [what, options, lines, beatMs] of INTERVALS) {
  test(`reports ${what}`, (t) => {
    const { made, socket, log } = service(t, options);
    made.ready();
    assert.deepEqual(log.lines.slice(1), lines);
    socket.received();
    t.mock.timers.tick(beatMs === 0 ? 1_000_000 : beatMs - 1);
    assert.deepEqual(socket.received(), []);
    t.mock.timers.tick(1);
    assert.equal(socket.received().length, beatMs === 0 ? 0 : 1);
  });
}

test('a watchdog hears signs of life, during a reload too, and no second READY', (t) => {
  const { made, socket } = service(t, { watchdogMs: 4000 });
  made.ready();
  made.reloading();
  socket.received();
  t.mock.timers.tick(2000);
  assert.deepEqual(socket.received(), [
    'WATCHDOG=1\nSTATUS=Processes active: 0, idle: 2, Requests: 0, slow: 0, Traffic: 0.00req/sec',
  ]);
});

test('a reload carries the monotonic time of its begin, and ends with ready', (t) => {
  const { made, socket, log } = service(t);
  made.ready();
  socket.received();
  const before = monotonicClockUs();
  made.reloading('Reloading in progress ...');
  made.ready('the file was refused');
  const [begin = '', end] = socket.received();
  const us = /^RELOADING=1\nMONOTONIC_USEC=([0-9]+)\nSTATUS=Reloading in progress \.\.\.$/.exec(begin)?.[1];
  assert.ok(Number(us) >= before && Number(us) <= monotonicClockUs());
  assert.equal(end, 'READY=1\nSTATUS=the file was refused. Ready to handle connections\nMAINPID=42');
  t.mock.timers.tick(10_000);
  assert.match(socket.received()[0] ?? '', /^STATUS=the file was refused\. Processes active: /);
  made.ready();
  assert.equal(socket.received()[0], 'READY=1\nSTATUS=Ready to handle connections\nMAINPID=42');
  assert.equal(log.lines.filter((line) => line.startsWith('systemd monitor')).length, 1);
});

test('stopping and free texts', (t) => {
  const { made, socket } = service(t);
  made.status('half way');
  made.stopping();
  assert.deepEqual(socket.received(), ['STATUS=half way', 'STOPPING=1']);
});

test('a changed interval is told and obeyed, an unchanged one is not told again', (t) => {
  const { made, socket, log } = service(t);
  made.ready();
  made.configure({ intervalS: 10, isSet: false });
  made.configure({ intervalS: 1, isSet: true });
  assert.deepEqual(log.lines.slice(1), [
    'systemd monitor interval set to 10000ms',
    'systemd monitor interval set to 1000ms',
  ]);
  socket.received();
  t.mock.timers.tick(2000);
  assert.equal(socket.received().length, 2);
});

test('after close nothing is sent', (t) => {
  const { made, socket } = service(t);
  made.ready();
  made.close();
  socket.received();
  t.mock.timers.tick(60_000);
  assert.deepEqual(socket.received(), []);
});

test('a systemd that is gone is told of once, until it is back', (t) => {
  const { made, socket, log } = service(t);
  made.ready();
  const address = socket.address;
  socket.close();
  t.mock.timers.tick(30_000);
  made.stopping();
  assert.deepEqual(log.lines.slice(2), ['failed to notify status to systemd: No such file or directory (2)']);
  assert.ok(address.startsWith('/'));
});

test('without systemd nothing is sent, logged, asked or timed', (t) => {
  const { made, log } = service(t, {
    environment: undefined,
    load: () => assert.fail('asked for the load'),
  });
  made.ready();
  made.reloading();
  made.status('x');
  made.configure({ intervalS: 1, isSet: true });
  t.mock.timers.tick(60_000);
  made.stopping();
  assert.deepEqual(log.lines, []);
});

test('no time between two reports is no traffic', () => {
  assert.match(loadStatus({ ...IDLE, requests: 5n }, 0n, 0), /Traffic: 0\.00req\/sec$/);
});
