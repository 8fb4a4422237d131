import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { MEMORY_PHP } from '../helpers/own-memory.js';
import { PID_PHP } from '../helpers/probes.js';
import { isAlive, killProcess } from '../helpers/processes.js';
import { sleep, until } from '../helpers/wait.js';

// Who calls itself idle and does not leave when told to is killed: it has no request to lose.

const files = {
  'pid.php': PID_PHP,
  // It ends its answer, and goes on as a worker that waits for its next client, by its own account.
  'lie.php': `<?php ${MEMORY_PHP}
    ignore_user_abort(true);
    set_time_limit(0);
    foreach ([SIGTERM, SIGQUIT, SIGUSR1] as $signal) pcntl_signal($signal, SIG_IGN);
    [$from, $to] = scoreboard();
    echo getmypid();
    fastcgi_finish_request();
    for (;;) {
      for ($slot = $from + 4096; $slot < $from + 4096 + 8192; $slot += 8192) poke($slot + 8, pack('V', 1));
      usleep(20000);
    }`,
  'sleep.php': '<?php echo getmypid(), " "; flush(); sleep((int) $_GET["s"]); echo "slept";',
};

const one = { pools: { www: { 'pm.max_children': 1, 'process.dumpable': 'yes' } }, files };

const gone = (pid: number) => until(`${pid} is gone`, () => !isAlive(pid), 20_000);

/** An idle worker that takes no signal but KILL: stopped, as a debugger or a script may leave it. */
async function stoppedWorker(daemon: Daemon): Promise<number> {
  const worker = Number(await daemon.get('pid.php'));
  // On a busy machine it may have answered and not be back in accept.
  await until('it is idle', () => / S /.test(readFileSync(`/proc/${worker}/stat`, 'latin1')));
  process.kill(worker, 'SIGSTOP');
  return worker;
}

async function lyingWorker(daemon: Daemon): Promise<number> {
  return Number(await daemon.get('lie.php'));
}

for (const [name, make] of [
  ['that is stopped', stoppedWorker],
  ['that only says that it is idle, and ignores signals', lyingWorker],
] as const) {
  test(`a worker ${name} does not outlive a reload`, async (t) => {
    const daemon = await startTsfpm(t, one);
    const [worker, zygote] = [await make(daemon), daemon.zygote() ?? 0];
    daemon.signal('SIGUSR2');
    await daemon.expectLog(new RegExp(`NOTICE: .*child ${worker} has nothing in hand and did not leave`));
    await gone(worker);
    await gone(zygote);
    await daemon.get('pid.php');
  });

  for (const signal of ['SIGQUIT', 'SIGTERM'] as const)
    test(`nor ${signal}`, async (t) => {
      const daemon = await startTsfpm(t, { ...one, global: { process_control_timeout: 100 } });
      const worker = await make(daemon);
      assert.deepEqual(await daemon.stop(signal), { code: 0, signal: null });
      assert.ok(!isAlive(worker));
    });

  test(`nor its zygote: a worker ${name} whose zygote is killed`, async (t) => {
    const daemon = await startTsfpm(t, one);
    const [worker, zygote] = [await make(daemon), daemon.zygote() ?? 0];
    killProcess(zygote);
    await daemon.expectLog(/zygote \d+ exited on signal 9 .*; starting another/);
    await daemon.expectLog(new RegExp(`child ${worker} has nothing in hand`));
    await gone(worker);
    await daemon.get('pid.php');
  });
}

test('a stopped worker that is one too many goes, and that is no crash', async (t) => {
  const www = { pm: 'ondemand', 'pm.max_children': 2, 'pm.process_idle_timeout': 1 };
  const daemon = await startTsfpm(t, { files, pools: { www } });
  const worker = await stoppedWorker(daemon);
  await daemon.expectLog(new RegExp(`child ${worker} has nothing in hand`));
  await gone(worker);
  assert.doesNotMatch(daemon.log.text, /WARNING/);
});

test('a worker with a request in hand keeps its time, told to leave or not', async (t) => {
  const daemon = await startTsfpm(t, one);
  const answer = daemon.request('sleep.php', { params: { QUERY_STRING: 's=6' } });
  await until('it is busy', () => daemon.workers().length === 1);
  daemon.signal('SIGUSR2');
  assert.match((await answer).text, /^\d+ slept$/);
});

test('nor does a kept-alive client lose the next one, however long the one before it has kept the worker', async (t) => {
  const daemon = await startTsfpm(t, one);
  const connection = await FastcgiConnection.open(daemon.address());
  t.after(() => connection.close());
  const ask = async (s: number) => {
    const params = scriptParams(daemon.folder.script('sleep.php'), { QUERY_STRING: `s=${s}` });
    return (await connection.request({ params, keepConn: true, timeoutMs: 30_000 })).body.toString();
  };
  const first = ask(11);
  await sleep(300);
  daemon.signal('SIGUSR2');
  assert.match(await first, /slept$/);
  assert.match(await ask(2), /slept$/);
  assert.equal(connection.isClosed, false);
});

test('the order to kill survives the zygote: it dies before it could carry anything out', async (t) => {
  const daemon = await startTsfpm(t, one);
  daemon.announce(/\[pool www\]/);
  const [worker = 0] = daemon.workers();
  const zygote = daemon.zygote() ?? 0;
  daemon.request('sleep.php', { params: { QUERY_STRING: 's=60' } }).catch(() => {});
  process.kill(zygote, 'SIGSTOP');
  daemon.signal('SIGINT');
  await gone(worker);
  killProcess(zygote);
  assert.deepEqual(await daemon.ended(), { code: 0, signal: null });
});
