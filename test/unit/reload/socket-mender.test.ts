import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ListenRequest } from '../../../src/listen/bind.js';
import { ListenSockets } from '../../../src/listen/listen-sockets.js';
import { hungUp } from '../../../src/os/poll.js';
import { shutDownSocket } from '../../../src/os/socket.js';
import { type MendedPool, SocketMender } from '../../../src/reload/socket-mender.js';
import type { Fd } from '../../../src/units.js';
import { FakeLog } from '../../helpers/fake-log.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-mender-'));
after(() => rmSync(folder, { recursive: true }));

/** One pool on a unix socket, a clock that stands still, and what happens to them. */
function scene(name: string) {
  const log = new FakeLog();
  const sockets = new ListenSockets(log);
  const request: ListenRequest = { pool: name, listen: join(folder, name), backlog: 5, mode: 0o660 };
  const pool = {
    config: { name, listen: request.listen },
    plan: { listenFd: sockets.bind(request).fd },
    failure: undefined as string | undefined,
    hasDeadSocket: false,
    moves: 0,
    setDeadSocket(isDead: boolean) {
      pool.hasDeadSocket = isDead;
    },
    async moveTo(fd: Fd) {
      pool.moves++;
      if (pool.failure !== undefined) return pool.failure;
      pool.plan.listenFd = fd;
      pool.hasDeadSocket = false;
      return undefined;
    },
  };
  const clock = { nowMs: 0 };
  const mender = new SocketMender<MendedPool>({
    sockets,
    log,
    pools: () => [pool],
    request: () => request,
    onMoved: () => sockets.closeReplaced(new Set([pool.plan.listenFd])),
    nowMs: () => clock.nowMs,
    onMistake: (error) => assert.fail(String(error)),
  });
  mender.start();
  /** @returns whether the pool's socket serves, a moment later */
  const look = async () => {
    mender.check();
    await new Promise(setImmediate);
    const serves = hungUp([pool.plan.listenFd]).length === 0;
    if (serves) assert.ok(!pool.hasDeadSocket);
    return serves;
  };
  const breakIt = () => shutDownSocket(pool.plan.listenFd);
  const end = () => {
    mender.stop();
    sockets.closeAll();
  };
  return { pool, sockets, clock, mender, log, look, breakIt, end };
}

test('the first time at once, then with pauses that double, and at once again after a quiet minute', async () => {
  const { pool, clock, look, breakIt, end } = scene('again');
  assert.ok(await look());
  assert.equal(pool.moves, 0);
  for (const pauseMs of [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    breakIt();
    clock.nowMs += Math.max(0, pauseMs - 1);
    if (pauseMs > 0) assert.equal(await look(), false, `before ${pauseMs} ms`);
    clock.nowMs += 1;
    assert.ok(await look(), `after ${pauseMs} ms`);
  }
  assert.equal(pool.moves, 8);
  clock.nowMs += 60_000;
  breakIt();
  assert.ok(await look());
  end();
});

test('a pool that could not move is moved later, to the socket that waits for it', async () => {
  const { pool, clock, log, look, breakIt, end } = scene('stuck');
  pool.failure = 'php-cgi is missing';
  breakIt();
  assert.equal(await look(), false);
  assert.match(
    log.lines.at(-1) ?? '',
    /no new generation for its new socket: php-cgi is missing; trying again in 1 s$/,
  );
  pool.failure = undefined;
  assert.equal(await look(), false);
  assert.ok(pool.hasDeadSocket);
  clock.nowMs += 1000;
  assert.ok(await look());
  assert.equal(pool.moves, 2);
  end();
});

test('an address that cannot be had again is told, and tried again', async () => {
  const { clock, log, look, breakIt, end } = scene('gone');
  breakIt();
  renameSync(folder, `${folder}.away`);
  assert.equal(await look(), false);
  assert.match(
    log.lines.at(-1) ?? '',
    /cannot be bound anew: .*No such file or directory \(2\); trying again in 1 s$/,
  );
  renameSync(`${folder}.away`, folder);
  clock.nowMs += 1000;
  assert.ok(await look());
  end();
});

test('a reload finds sockets that serve, and nothing is done beside it', async () => {
  const { pool, sockets, mender, look, breakIt, end } = scene('reload');
  breakIt();
  assert.ok(await look());
  breakIt();
  mender.pause();
  assert.equal(await look(), false, 'the reload moves the pool');
  assert.equal(pool.moves, 1);
  const there = sockets.byListen(pool.config.listen);
  assert.ok(there && there.fd !== pool.plan.listenFd && hungUp([there.fd]).length === 0);
  mender.resume();
  end();
});
