import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { until } from '../helpers/wait.js';

/** Holds so many megabytes that are its own, for so long. */
const HOLD_PHP = `<?php $held = str_repeat(random_bytes(1024), $_GET['mb'] * 1024);
usleep($_GET['ms'] * 1000); echo getmypid(), ' ', strlen($held);`;
const files = {
  'hold.php': HOLD_PHP,
  'pid.php': PID_PHP,
  'sleep.php': '<?php usleep(20000); echo getmypid();',
};
const HTTP = { 'http.listen': '{folder}/http.sock' };

const hold = (tsfpm: Daemon, mb: number, ms: number) =>
  tsfpm.request('hold.php', {
    params: { QUERY_STRING: `mb=${mb}&ms=${ms}`, REQUEST_URI: `/hold?mb=${mb}`, SCRIPT_NAME: '/hold.php' },
  });

function metrics(tsfpm: Daemon): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath: tsfpm.folder.at('http.sock'), path: '/metrics', agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    })
      .on('error', reject)
      .end();
  });
}

test('a worker above pm.max_memory is replaced after its request, also while clients always wait', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { ...HTTP, log_level: 'debug' },
    pools: { www: { 'pm.max_children': 1, 'pm.max_memory': '40M' } },
    files,
  });
  const [first] = await tsfpm.untilWorkers(1);
  const fat = hold(tsfpm, 60, 2500);
  await until('it is running', async () => /active_processes\{pool="www"\} 1/.test(await metrics(tsfpm)));
  // The queue is never empty: nobody finds this worker idle.
  const others = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const pids: number[] = [];
      for (let i = 0; i < 15; i++) pids.push(Number(await tsfpm.get('sleep.php')));
      return pids;
    }),
  );
  const { status, text } = await fat;
  assert.deepEqual([status, text], [200, `${first} ${60 * 1024 * 1024}`]);
  await tsfpm.expectLog(
    new RegExp(
      `\\[pool www\\] child ${first} has [67][0-9]\\.[0-9]M of private memory after 1 request, pm\\.max_memory is 40\\.0M; replacing it after its request`,
    ),
  );
  // Not one more was served by it, and not one was lost.
  assert.ok(others.flat().every((pid) => pid > 0 && pid !== first));
  await tsfpm.expectLog(new RegExp(`child ${first} has been killed by the process management`));
  assert.match(await metrics(tsfpm), /tsfpm_worker_deaths_total\{pool="www",reason="max_memory"\} 1\n/);
});

test('what fits is left alone, and what workers share with their zygote does not count', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 2, 'pm.max_memory': '40M' } },
    files,
  });
  const before = await tsfpm.untilWorkers(2);
  await Promise.all([hold(tsfpm, 20, 2500), hold(tsfpm, 5, 2500)]);
  assert.deepEqual(tsfpm.workers(), before);
  assert.doesNotMatch(tsfpm.log.text, /private memory/);
});

test('a request above pm.max_memory_hard is ended, and the log names it', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { ...HTTP, emergency_restart_threshold: 1, emergency_restart_interval: 60 },
    pools: { www: { 'pm.max_children': 2, 'pm.max_memory': '20M', 'pm.max_memory_hard': '40M' } },
    files,
  });
  const workers = await tsfpm.untilWorkers(2);
  const end = hold(tsfpm, 80, 60_000).then(
    ({ text }) => `answered: ${text}`,
    () => 'closed',
  );
  const [, notice] = await tsfpm.expectLog(/NOTICE: \[pool www\] child (\d+) has .* killing it unless/);
  const [line] = await tsfpm.expectLog(/WARNING: \[pool www\] child \d+, script .* terminating/);
  assert.match(
    line,
    /child \d+, script '\S+\/hold\.php' \(request: "GET \/hold\.php\?mb=80&ms=60000"\) has [89][0-9]\.[0-9]M of private memory, pm\.max_memory_hard is 40\.0M \(\d+\.\d{6} sec\), terminating/,
  );
  assert.doesNotMatch(await end, /[0-9]/);
  await tsfpm.expectLog(/exited on signal 9 \(SIGKILL\) after .* was lost after/);
  await tsfpm.untilWorkers(2);
  const left = tsfpm.workers();
  assert.ok(!left.includes(Number(notice)));
  assert.equal(left.filter((pid) => workers.includes(pid)).length, 1);
  assert.ok(Number(await tsfpm.get('pid.php')) > 0);
  assert.match(await metrics(tsfpm), /tsfpm_worker_deaths_total\{pool="www",reason="max_memory_hard"\} 1\n/);
  assert.doesNotMatch(tsfpm.log.text, /failed processes threshold/);
});
