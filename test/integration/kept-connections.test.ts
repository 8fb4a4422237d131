import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Milliseconds, Pid } from '../../src/units.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { unlessRoot } from '../helpers/daemon-folder.js';
import { type FastcgiConnection, fcgiRequest } from '../helpers/fastcgi-client.js';
import { reload } from '../helpers/reload.js';
import { requestBytes } from '../helpers/request-bytes.js';
import {
  ECHO_PHP,
  type Echo,
  freePort,
  getParams,
  openConnection,
  postParams,
} from '../helpers/two-pools.js';
import { until } from '../helpers/wait.js';

/** Sends what no worker sends, over every packet socket that it has: to the keeper, and to the zygote. */
const HOSTILE_PHP = `<?php
  $c = FFI::cdef('
    typedef struct { void *base; size_t length; } part;
    typedef struct { void *name; unsigned n; part *parts; size_t count; void *control; size_t size; int flags; } message;
    long sendmsg(int fd, message *m, int flags);
    int getsockopt(int fd, int level, int name, int *value, unsigned *length);');
  $packets = [];
  foreach (scandir('/proc/self/fd') as $fd) {
    $type = $c->new('int'); $length = $c->new('unsigned'); $length->cdata = 4;
    if (is_numeric($fd) && $c->getsockopt((int)$fd, 1, 3, FFI::addr($type), FFI::addr($length)) === 0 && $type->cdata === 5)
      $packets[] = (int)$fd;
  }
  function send(int $fd, string $bytes, array $fds): void {
    global $c;
    $text = $c->new('char[' . (strlen($bytes) + 1) . ']'); FFI::memcpy($text, $bytes, strlen($bytes));
    $control = pack('QVV', 16 + 4 * count($fds), 1, 1) . pack('l*', ...$fds) . str_repeat("\0", 8);
    $space = $c->new('char[' . strlen($control) . ']'); FFI::memcpy($space, $control, strlen($control));
    $part = $c->new('part'); $part->base = FFI::addr($text[0]); $part->length = strlen($bytes);
    $m = $c->new('message'); $m->parts = FFI::addr($part); $m->count = 1;
    if ($fds) { $m->control = FFI::addr($space[0]); $m->size = 16 + 4 * count($fds) + count($fds) % 2 * 4; }
    $c->sendmsg($fd, FFI::addr($m), 0x4040);
  }
  $right = pack('VV', 0x5645504b, 1);
  $null = 0;
  for ($i = 0; $i < 40; $i++)
    foreach ($packets as $fd)
      foreach ([[random_bytes(1 + $i), []], [$right, []], [$right, [$null]], [$right, [$fd]], [random_bytes(8), [$fd]],
                [$right, array_fill(0, 1 + $i % 20, $fd)], [substr($right, 0, $i % 8), [$null]], [$right . 'x', [$fd]]] as [$bytes, $fds]) {
        send($fd, $bytes, $fds);
        if ($i % 10 === 0) usleep(500);
      }
  echo count($packets);`;

/** Clients that keep their connections and always have a next request, GET and POST in turn. */
class BusyClients {
  readonly tookMs: Milliseconds[] = [];
  readonly failures: string[] = [];
  readonly served: number[];
  readonly #tsfpm: Daemon;
  readonly #done: Promise<unknown>;
  #isOver = false;

  constructor(t: TestContext, tsfpm: Daemon, count: number) {
    this.#tsfpm = tsfpm;
    this.served = Array(count).fill(0);
    this.#done = Promise.all(this.served.map((_, client) => this.#run(t, client)));
    t.after(() => this.stop());
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(t: TestContext, client: number): Promise<void> {
    const connection = await openConnection(t, this.#tsfpm.address());
    for (let i = 0; !this.#isOver; i++) {
      const startedAt = performance.now();
      try {
        const body = Buffer.alloc(i % 2 === 0 ? 0 : 3000, `${client}.${i}.`);
        const query = `n=${client}.${i}`;
        const params =
          body.length === 0
            ? getParams(this.#tsfpm, 'echo.php', query)
            : postParams(this.#tsfpm, 'echo.php', body.length, query);
        const { body: answer } = await connection.request({ params, stdin: body, keepConn: true });
        const echo = JSON.parse(answer.toString()) as Echo;
        assert.deepEqual([echo.query, echo.length], [query, body.length]);
      } catch (error) {
        this.failures.push(`client ${client}, request ${i}: ${error}`);
        return;
      }
      this.served[client] = (this.served[client] ?? 0) + 1;
      this.tookMs.push(performance.now() - startedAt);
    }
  }
}

const SLOW_PHP = `<?php echo 'begun'; ob_flush(); flush(); usleep(300000); echo 'done';`;

const userOf = (pid: Pid) => /^Uid:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];

/** A daemon whose pool has a keeper, as any has once a client keeps its connection. */
async function start(t: TestContext, settings: Record<string, string | number>): Promise<Daemon> {
  const tsfpm = await startTsfpm(t, {
    pools: { www: settings },
    files: { 'echo.php': ECHO_PHP, 'slow.php': SLOW_PHP },
  });
  const first = await openConnection(t, tsfpm.address());
  await first.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
  await until('there is a keeper', () => tsfpm.keepers().length > 0);
  return tsfpm;
}

test('a fifth client beside four busy kept connections on four workers is served at once', async (t) => {
  const tsfpm = await start(t, { 'pm.max_children': 4 });
  const busy = new BusyClients(t, tsfpm, 4);
  await until('all are served', () => busy.served.every((count) => count > 20));
  const waits: Milliseconds[] = [];
  for (let i = 0; i < 30; i++) {
    const startedAt = performance.now();
    await fcgiRequest(tsfpm.address(), { params: getParams(tsfpm, 'echo.php') });
    waits.push(performance.now() - startedAt);
  }
  await busy.stop();
  waits.sort((a, b) => a - b);
  assert.deepEqual(busy.failures, []);
  assert.ok((waits[15] ?? Infinity) < 100, `${waits.map(Math.round)} ms`);
});

test('many kept connections on few workers are all served in turn, and none is closed', async (t) => {
  const tsfpm = await start(t, { 'pm.max_children': 2, listen: `127.0.0.1:${await freePort()}` });
  const busy = new BusyClients(t, tsfpm, 24);
  await until('all are served', () => busy.served.every((count) => count >= 20));
  await busy.stop();
  assert.deepEqual(busy.failures, []);
  const counts = [...busy.served].sort((a, b) => a - b);
  assert.ok((counts.at(-1) ?? 0) < 3 * (counts[0] ?? 0), `served ${counts}`);
});

test('reloads close no kept connection, busy or idle', async (t) => {
  const tsfpm = await start(t, { 'pm.max_children': 2 });
  const idle: FastcgiConnection[] = [];
  for (let i = 0; i < 4; i++) {
    const connection = await openConnection(t, tsfpm.address());
    await connection.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
    idle.push(connection);
  }
  const busy = new BusyClients(t, tsfpm, 3);
  for (let i = 0; i < 3; i++) {
    await until('all are served', () => busy.served.every((count) => count > 20 * i));
    await reload(tsfpm);
  }
  await busy.stop();
  assert.deepEqual(busy.failures, []);
  for (const connection of idle) {
    const { body } = await connection.request({ params: getParams(tsfpm, 'echo.php', 'x'), keepConn: true });
    assert.ok(tsfpm.workers().includes(JSON.parse(body.toString()).pid));
  }
});

test('a worker that has had all its requests passes its kept connection on', async (t) => {
  const tsfpm = await start(t, { 'pm.max_children': 2, 'pm.max_requests': 5 });
  const busy = new BusyClients(t, tsfpm, 3);
  await until('all are served', () => busy.served.every((count) => count > 40));
  await busy.stop();
  assert.deepEqual(busy.failures, []);
});

test('a keeper that is killed takes its idle connections along, and another takes its place', async (t) => {
  const tsfpm = await start(t, { 'pm.max_children': 1 });
  const held = await openConnection(t, tsfpm.address());
  await held.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
  const [keeper = 0] = tsfpm.keepers();
  await tsfpm.get('echo.php'); // for that client the connection went to the keeper
  process.kill(keeper, 'SIGKILL');
  await tsfpm.expectLog(
    /WARNING: \[pool www\] keeper \d+ of kept connections exited on signal 9 \(SIGKILL\); [12] idle/,
  );
  await held.closed;
  await until('there is another', () => tsfpm.keepers().some((pid) => pid !== keeper));
  const busy = new BusyClients(t, tsfpm, 3);
  await until('all are served', () => busy.served.every((count) => count > 20));
  await busy.stop();
  assert.deepEqual(busy.failures, []);
});

test('hostile packets harm neither the keeper nor those whose connections it holds', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 2, 'php_admin_value[ffi.enable]': '1' } },
    files: { 'echo.php': ECHO_PHP, 'hostile.php': HOSTILE_PHP },
  });
  const held = await openConnection(t, tsfpm.address());
  await held.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
  await until('there is a keeper', () => tsfpm.keepers().length > 0);
  const before = tsfpm.keepers();
  const busy = new BusyClients(t, tsfpm, 3);
  await until('all are served', () => busy.served.every((count) => count > 10));
  for (let i = 0; i < 3; i++) assert.equal(await tsfpm.get('hostile.php'), '2');
  const soFar = [...busy.served];
  await until('all go on', () => busy.served.every((count, client) => count > 10 + (soFar[client] ?? 0)));
  await busy.stop();
  assert.deepEqual(busy.failures, []);
  assert.equal(held.isClosed, false);
  await held.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
  assert.deepEqual(tsfpm.keepers(), before);
});

test('a kept connection outlives the workers and the zygote of an ondemand pool', async (t) => {
  const tsfpm = await start(t, {
    pm: 'ondemand',
    'pm.max_children': 2,
    'pm.process_idle_timeout': '1s',
    'pm.zygote_idle_timeout': '1s',
  });
  const connection = await openConnection(t, tsfpm.address());
  const ask = () => connection.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
  await ask();
  await until('nobody is left', () => tsfpm.zygote() === undefined && tsfpm.workers().length === 0);
  assert.equal((await ask()).status, 200);
});

test('a stop closes idle kept connections in order, and serves whoever has asked', async (t) => {
  const tsfpm = await start(t, { 'pm.max_children': 1 });
  const idle = await openConnection(t, tsfpm.address());
  const asking = await openConnection(t, tsfpm.address());
  const params = getParams(tsfpm, 'echo.php');
  for (const connection of [idle, asking]) await connection.request({ params, keepConn: true });
  const slow = await openConnection(t, tsfpm.address());
  slow.send(requestBytes({ params: getParams(tsfpm, 'slow.php') }));
  assert.match((await slow.nextRecord())?.content.toString() ?? '', /begun/);
  const answer = asking.request({ params, keepConn: true });
  tsfpm.signal('SIGQUIT');
  assert.match((await slow.nextRecord())?.content.toString() ?? '', /done/);
  assert.equal((await answer).status, 200);
  await idle.closed;
  assert.equal(idle.error, undefined);
  assert.deepEqual(await tsfpm.ended(), { code: 0, signal: null });
});

test('a pool that gets another user gets another keeper, and loses no request by it', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await start(t, { 'pm.max_children': 2 });
  const [former = 0] = tsfpm.keepers();
  const busy = await openConnection(t, tsfpm.address());
  await busy.request({ params: getParams(tsfpm, 'echo.php'), keepConn: true });
  await reload(tsfpm, { pools: { www: { 'pm.max_children': 2, user: 'nobody' } } });
  await until(
    'there is another keeper',
    () => tsfpm.keepers().length === 1 && !tsfpm.keepers().includes(former),
  );
  const [keeper = 0] = tsfpm.keepers();
  const [worker = 0] = tsfpm.workers();
  assert.equal(userOf(keeper), userOf(worker));
  const others = new BusyClients(t, tsfpm, 3);
  await until('all are served', () => others.served.every((count) => count > 10));
  await others.stop();
  assert.deepEqual(others.failures, []);
});
