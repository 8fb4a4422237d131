import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beatWatchdog } from '../../../src/systemd/watchdog.js';
import { NotifySocket } from './notify-socket.js';

test('a watchdog hears signs of life from the beginning, in half its time, until they end', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const socket = new NotifySocket();
  t.after(() => socket.close());
  const end = beatWatchdog({ socket: socket.address, watchdogMs: 4000, variables: {} });
  assert.deepEqual(socket.received(), ['WATCHDOG=1']);
  t.mock.timers.tick(6000);
  assert.deepEqual(socket.received(), ['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1']);
  end();
  t.mock.timers.tick(60_000);
  assert.deepEqual(socket.received(), []);
  beatWatchdog(undefined)();
  beatWatchdog({ socket: socket.address, watchdogMs: undefined, variables: {} })();
  assert.deepEqual(socket.received(), []);
});
