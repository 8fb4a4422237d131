import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fcgiRequest } from '../helpers/fastcgi-client.js';
import { PID_PHP } from '../helpers/probes.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { nameOf, STRACE_IS_MISSING, startTrace } from '../helpers/strace.js';
import { getParams, openConnection, postParams, SOCKET_KINDS, startTwoPools } from '../helpers/two-pools.js';
import { sleep, until } from '../helpers/wait.js';

test('a request costs accept4, one recvfrom, one write and close; nothing lingers', {
  skip: STRACE_IS_MISSING,
}, async (t) => {
  const tsfpm = await startTwoPools(t, { 'pid.php': PID_PHP, 'nap.php': '<?php usleep(500000);' });
  for (const kind of SOCKET_KINDS) {
    const requests = [
      { params: getParams(tsfpm, 'pid.php') },
      { params: postParams(tsfpm, 'pid.php', 6), body: Buffer.from('a body') },
      { params: getParams(tsfpm, 'pid.php') },
    ].map(requestBytes);
    const [worker = 0] = tsfpm.workers(kind);
    const trace = await startTrace(t, worker, tsfpm.folder.at('trace'));
    // They wait in the queue while the worker is busy, so that each is there as a whole when it is accepted.
    const nap = tsfpm.get('nap.php', { pool: kind });
    await sleep(100);
    const connections = [];
    for (const bytes of requests) {
      const connection = await openConnection(t, tsfpm.address(kind));
      connection.send(bytes);
      connections.push(connection.closed);
    }
    await Promise.all([nap, ...connections]);
    const calls = await trace.stop();
    assert.deepEqual(
      callsByConnection(calls).slice(1),
      requests.map(() => ['accept4', 'recvfrom', 'write', 'close']),
      calls.join('\n'),
    );
  }
});

test('a request on a kept connection costs a poll, one recvfrom and one write', {
  skip: STRACE_IS_MISSING,
}, async (t) => {
  const tsfpm = await startTwoPools(t, { 'pid.php': PID_PHP });
  const [worker = 0] = tsfpm.workers('unix');
  const connection = await openConnection(t, tsfpm.address('unix'));
  const ask = () => connection.request({ params: getParams(tsfpm, 'pid.php'), keepConn: true });
  await ask();
  await until('there is a keeper', () => tsfpm.keepers('unix').length > 0);
  await ask();
  const trace = await startTrace(t, worker, tsfpm.folder.at('trace'));
  // One send each: the client's own pieces would arrive one by one.
  for (let i = 0; i < 3; i++) {
    connection.send(requestBytes({ params: getParams(tsfpm, 'pid.php'), keepConn: true }));
    while ((await connection.nextRecord())?.type !== 3);
  }
  const calls = await trace.stop();
  const names = calls
    .map(nameOf)
    .filter((name) => /^(?:accept4|poll|recvfrom|read|write|shutdown|close)$/.test(name));
  const perRequest = ['recvfrom', 'write', 'poll'];
  assert.deepEqual(
    calls
      .filter((call) => isOn(call, descriptorOf(calls, 'recvfrom')) || nameOf(call) === 'poll')
      .map(nameOf),
    // The poll before the first was under way when the trace began.
    ['poll', ...perRequest, ...perRequest, ...perRequest].slice(names[0] === 'poll' ? 0 : 1),
    calls.join('\n'),
  );
});

for (const kind of SOCKET_KINDS) {
  test(`${kind}: a client that does not close after its answer does not keep the worker`, async (t) => {
    const tsfpm = await startTwoPools(t, { 'pid.php': PID_PHP });
    const stayers = [];
    const startedAt = performance.now();
    for (let i = 0; i < 20; i++) {
      const stayer = await openConnection(t, tsfpm.address(kind), { staysOpen: true });
      stayer.send(requestBytes({ params: getParams(tsfpm, 'pid.php') }));
      stayers.push(stayer);
    }
    for (const stayer of stayers) while ((await stayer.nextRecord())?.type !== 3);
    assert.ok(performance.now() - startedAt < 1000, `${performance.now() - startedAt} ms`);
  });

  test(`${kind}: a client that half-closes after its request gets its answer`, async (t) => {
    const tsfpm = await startTwoPools(t, { 'pid.php': PID_PHP });
    for (const keepConn of [false, true]) {
      const connection = await openConnection(t, tsfpm.address(kind));
      connection.send(requestBytes({ params: getParams(tsfpm, 'pid.php'), keepConn }));
      connection.endSending();
      const first = await connection.nextRecord();
      assert.match(String(first?.content), new RegExp(`${tsfpm.workers(kind)[0]}$`));
      await connection.closed;
      assert.equal(connection.error, undefined);
    }
  });

  test(`${kind}: a client that never ends its STDIN and stays keeps the worker for two seconds at most`, async (t) => {
    const tsfpm = await startTwoPools(t, { 'pid.php': PID_PHP });
    const stayer = await openConnection(t, tsfpm.address(kind), { staysOpen: true });
    const whole = requestBytes({ params: getParams(tsfpm, 'pid.php') });
    stayer.send(whole.subarray(0, whole.length - 8));
    while ((await stayer.nextRecord())?.type !== 3);
    const startedAt = performance.now();
    await fcgiRequest(tsfpm.address(kind), { params: getParams(tsfpm, 'pid.php') });
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs > 1000 && tookMs < 3500, `${tookMs} ms`);
  });
}

const isOn = (call: string, fd: string | undefined) =>
  fd !== undefined && call.startsWith(`${nameOf(call)}(${fd},`);

function descriptorOf(calls: readonly string[], name: string): string | undefined {
  const call = calls.find((line) => nameOf(line) === name);
  return call && /\((\d+)/.exec(call)?.[1];
}

/** What was called on each accepted connection, in order, from its accept to its close. */
function callsByConnection(calls: readonly string[]): string[][] {
  const connections: string[][] = [];
  let fd: string | undefined;
  for (const call of calls) {
    const accepted = /^accept4\(.* = (\d+)$/.exec(call);
    if (accepted !== null) {
      fd = accepted[1];
      connections.push([]);
    }
    const [, first] = /^\w+\((\d+)/.exec(call) ?? [];
    const isPollOfIt = new RegExp(`^poll\\(.*fd=${fd},`).test(call);
    if (fd === undefined || (accepted === null && first !== fd && !isPollOfIt)) continue;
    connections.at(-1)?.push(nameOf(call));
    if (nameOf(call) === 'close') fd = undefined;
  }
  return connections;
}
