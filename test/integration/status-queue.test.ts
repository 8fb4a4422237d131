import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Count } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { SLEEP_PHP, sleepRequest } from '../helpers/scaling-pools.js';
import { readAnswer, statusJson } from '../helpers/status-page.js';
import { freePort, SOCKET_KINDS, type SocketKind } from '../helpers/two-pools.js';
import { sleep, until } from '../helpers/wait.js';

const files = { 'sleep.php': SLEEP_PHP };

/** A static pool of one worker whose pages come from a socket of their own. */
async function startOne(t: Parameters<typeof startTsfpm>[0], kind: SocketKind): Promise<Daemon> {
  return startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 1,
        'pm.status_listen': '{folder}/status.sock',
        'pm.status_path': '/status',
        'listen.backlog': 77,
        ...(kind === 'tcp' ? { listen: `127.0.0.1:${await freePort()}` } : {}),
      },
    },
    files,
  });
}

/** Clients that have sent their request and wait. */
async function queueUp(tsfpm: Daemon, count: Count): Promise<FastcgiConnection[]> {
  const clients: FastcgiConnection[] = [];
  for (let i = 0; i < count; i++) {
    const client = await FastcgiConnection.open(tsfpm.address());
    client.send(
      requestBytes({ params: scriptParams(tsfpm.folder.script('sleep.php'), { QUERY_STRING: 'ms=1' }) }),
    );
    clients.push(client);
  }
  return clients;
}

for (const kind of SOCKET_KINDS) {
  test(`the listen queue is true on a ${kind} socket, with its limit and the most ever seen`, async (t) => {
    const tsfpm = await startOne(t, kind);
    const status = () => statusJson(tsfpm, { address: tsfpm.folder.at('status.sock') });
    const before = await status();
    await tsfpm.settle();
    assert.deepEqual(
      [before['listen queue'], before['max listen queue'], before['listen queue len']],
      [0, 0, 77],
    );
    const busy = sleepRequest(tsfpm, 1200);
    await until('the worker is taken', async () => (await status())['active processes'] === 1);
    const clients = await queueUp(tsfpm, 7);
    assert.equal((await status())['listen queue'], 7);
    await busy;
    for (const client of clients) {
      await readAnswer(client);
      client.close();
    }
    const after = await until('all is at rest', async () => {
      const now = await status();
      return now['active processes'] === 0 && now;
    });
    assert.deepEqual([after['listen queue'], after['max listen queue']], [0, 7]);
    assert.equal(after['accepted conn'], 8);
  });

  test(`the most ever seen in the queue of a ${kind} socket is known though nobody asked meanwhile`, async (t) => {
    const tsfpm = await startOne(t, kind);
    await tsfpm.settle();
    for (const waiting of [3, 6]) {
      const busy = sleepRequest(tsfpm, 1500);
      await sleep(100);
      const clients = await queueUp(tsfpm, waiting);
      await busy;
      for (const client of clients) {
        await readAnswer(client);
        client.close();
      }
      const { 'max listen queue': most } = await statusJson(tsfpm, {
        address: tsfpm.folder.at('status.sock'),
      });
      assert.equal(most, waiting);
    }
  });
}
