import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Arrivals } from '../../../src/os/arrivals.js';
import { resourceLimit, setResourceLimit } from '../../../src/os/process.js';
import { bindSocket, listenOnSocket, openStreamSocket } from '../../../src/os/socket.js';

const DEADLINE_MS = 10_000;

async function until(isTrue: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await sleep(2);
  }
}

test('tells of each connection that arrives at a watched socket, and of none after unwatch', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-arrivals-'));
  const path = join(folder, 's');
  const fd = openStreamSocket('unix');
  bindSocket(fd, { family: 'unix', path });
  listenOnSocket(fd, 16);
  const arrivals = new Arrivals();
  const clients: Socket[] = [];
  const open = () =>
    new Promise<void>((resolve, reject) => {
      const client = connect(path, resolve);
      client.on('error', reject);
      clients.push(client);
    });
  let told = 0;
  try {
    await open();
    arrivals.watch(fd, () => told++);
    await until(() => told === 1, 'told of the client that was there before');
    await open();
    await until(() => told === 2, 'told of the next');
    arrivals.unwatch(fd);
    await open();
    await sleep(50);
    assert.equal(told, 2);
    arrivals.watch(fd, () => told++);
    await until(() => told === 3, 'told again after watching again');
  } finally {
    for (const client of clients) client.destroy();
    await arrivals.close();
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

test('leaves no descriptor and no thread behind', async () => {
  const before = readdirSync('/proc/self/fd').length;
  const fd = openStreamSocket('unix');
  const arrivals = new Arrivals();
  arrivals.watch(fd, () => {});
  await arrivals.close();
  await arrivals.close();
  closeSync(fd);
  await until(() => readdirSync('/proc/self/fd').length <= before, 'descriptors back to where they were');
});

/** Descriptors that can still be opened: none; the epoll instance; all but one of the thread's own. */
for (const room of [0, 1, 2, 4])
  test(`with room for ${room} descriptors clients are told all the same, and by the thread once there can be one`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tsfpm-arrivals-'));
    const path = join(folder, 's');
    const fd = openStreamSocket('unix');
    bindSocket(fd, { family: 'unix', path });
    listenOnSocket(fd, 16);
    const client = connect(path);
    await once(client, 'connect');
    const limit = resourceLimit('openFiles');
    const troubles: string[] = [];
    const arrivals = new Arrivals((reason) => troubles.push(reason));
    t.after(async () => {
      setResourceLimit('openFiles', limit);
      client.destroy();
      await arrivals.close();
      closeSync(fd);
      rmSync(folder, { recursive: true });
    });
    let told = 0;
    const unused = unusedDescriptors();
    setResourceLimit('openFiles', { ...limit, soft: unused[room] ?? 0 });
    arrivals.watch(fd, () => told++);
    await until(() => told > 1 && troubles.length === 1, 'told by the timer, and why');
    setResourceLimit('openFiles', limit);
    let before = told;
    let sinceMs = performance.now();
    await until(() => {
      if (told !== before) [before, sinceMs] = [told, performance.now()];
      return performance.now() - sinceMs > 300;
    }, 'the thread has told it once and for all');
    assert.equal(troubles.length, 1);
    const next = connect(path);
    await until(() => told === before + 1, 'told of the next');
    next.destroy();
  });

/** Numbers that the next descriptors will get. */
function unusedDescriptors(): number[] {
  const used = readdirSync('/proc/self/fd').map(Number);
  return Array.from({ length: 64 }, (_, number) => number).filter((number) => !used.includes(number));
}
