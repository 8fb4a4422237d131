import assert from 'node:assert/strict';
import { existsSync, renameSync } from 'node:fs';
import { request } from 'node:http';
import { test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess } from '../helpers/processes.js';
import { reload } from '../helpers/reload.js';
import { burst, ONDEMAND, SLEEP_PHP, sleepRequest } from '../helpers/scaling-pools.js';
import { freePort } from '../helpers/two-pools.js';
import { until } from '../helpers/wait.js';
import { type ParsedFamily, parseOpenMetrics } from '../unit/status/openmetrics-parser.js';

const files = { 'pid.php': PID_PHP, 'sleep.php': SLEEP_PHP };
const HTTP = { 'http.listen': '{folder}/http.sock' };

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

function get(
  where: { socketPath: string } | { port: number },
  path: string,
  accept?: string,
  host?: string,
): Promise<Answer> {
  const headers = { ...(accept === undefined ? {} : { accept }), ...(host === undefined ? {} : { host }) };
  return new Promise((resolve, reject) => {
    const asked = request({ ...where, path, timeout: 5000, agent: false, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer for ${path}`)));
    asked.on('error', reject);
    asked.end();
  });
}

const ask = (tsfpm: Daemon, path: string, accept?: string) =>
  get({ socketPath: tsfpm.folder.at('http.sock') }, path, accept);
const askOpenMetrics = (tsfpm: Daemon) => ask(tsfpm, '/metrics', 'application/openmetrics-text');

function sample(
  families: readonly ParsedFamily[],
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  return families
    .flatMap(({ samples }) => samples)
    .find(
      (each) =>
        each.name === name &&
        Object.entries(labels).every(([label, value]) => each.labels.get(label) === value),
    )?.value;
}

test('/metrics tells of all pools what happened in them', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: HTTP,
    pools: { www: { 'pm.max_children': 3 }, idle: ONDEMAND },
    files,
  });
  for (let i = 0; i < 10; i++) await tsfpm.get('pid.php');
  await burst(tsfpm, { requests: 6, ms: 120 });
  tsfpm.announce(/exited on signal 9/);
  killProcess(tsfpm.workers()[0] ?? 0);
  await tsfpm.expectLog(/exited on signal 9/);
  await tsfpm.untilWorkers(3);

  const { status, type, text } = await askOpenMetrics(tsfpm);
  assert.equal(status, 200);
  assert.match(type, /^application\/openmetrics-text; version=1\.0\.0/);
  const families = parseOpenMetrics(text);
  const of = (name: string, labels: Record<string, string> = {}) =>
    sample(families, name, { pool: 'www', ...labels });
  assert.equal(of('phpfpm_accepted_connections'), 16);
  assert.equal(of('phpfpm_idle_processes'), 3);
  assert.equal(of('phpfpm_active_processes'), 0);
  assert.equal(of('phpfpm_up'), 1);
  assert.equal(sample(families, 'phpfpm_total_processes', { pool: 'idle' }), 0);
  const durations = families.find(
    ({ type: kind, name }) => kind === 'histogram' && name.startsWith('tsfpm_'),
  );
  assert.ok(durations, 'there is a histogram of durations');
  // A worker that was killed takes the end of its last request with it to the sums.
  assert.equal(of(`${durations.name}_count`), 16);
  const seconds = of(`${durations.name}_sum`) ?? 0;
  assert.ok(seconds >= 0.7 && seconds < 5, `${seconds} s`);
  assert.equal(of(`${durations.name}_bucket`, { le: '+Inf' }), 16);
  assert.ok((of(`${durations.name}_bucket`, { le: '0.1' }) ?? 0) >= 8);
  const forks = families.find(({ name }) => /^tsfpm_.*forks/.test(name));
  assert.equal(of(`${forks?.name}_total`), 4);
  const deaths = families.find(({ name }) => /^tsfpm_.*deaths/.test(name));
  const died = deaths?.samples.filter(({ labels, value }) => labels.get('pool') === 'www' && value > 0) ?? [];
  assert.deepEqual(
    died.map(({ value }) => value),
    [1],
  );
  // The older format has no terminator.
  const prometheus = await ask(tsfpm, '/metrics', 'text/plain');
  assert.match(prometheus.type, /^text\/plain; version=0\.0\.4/);
  assert.ok(!prometheus.text.includes('# EOF'));
});

test('/status, /health and /ready, on TCP and on a unix socket', async (t) => {
  const port = await freePort();
  for (const where of [
    { listen: `127.0.0.1:${port}`, at: { port } },
    { listen: '{folder}/http.sock', at: undefined },
  ]) {
    const tsfpm = await startTsfpm(t, {
      global: { 'http.listen': where.listen },
      pools: { www: {}, shop: {} },
      files,
    });
    const at = where.at ?? { socketPath: tsfpm.folder.at('http.sock') };
    await tsfpm.get('pid.php');
    const status = await get(at, '/status?full');
    assert.match(status.type, /^application\/json/);
    const pools = JSON.parse(status.text);
    assert.deepEqual(Object.keys(pools), ['www', 'shop']);
    assert.equal(pools.www['accepted conn'], 1);
    assert.equal(pools.www.processes.length, 2);
    assert.equal(JSON.parse((await get(at, '/status')).text).shop.processes, undefined);
    assert.deepEqual([(await get(at, '/health')).status, (await get(at, '/ready')).status], [200, 200]);
    assert.equal((await get(at, '/pid.php')).status, 404);
  }
});

test('/ready is 503 while a pool cannot start workers, and names it; others serve on', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: HTTP,
    pools: { good: {}, bad: { chdir: '{folder}/www/sub' } },
    files: { ...files, 'sub/empty.php': '' },
  });
  tsfpm.announce(/\[pool bad\]/, /failed to chdir/);
  assert.equal((await ask(tsfpm, '/ready')).status, 200);
  renameSync(tsfpm.folder.script('sub'), tsfpm.folder.script('elsewhere'));
  for (const pid of tsfpm.workers('bad')) killProcess(pid);
  const answer = await until('it is not ready', async () => {
    const now = await ask(tsfpm, '/ready');
    return now.status === 503 && now;
  });
  assert.match(answer.text, /bad/);
  assert.ok(!answer.text.includes('good'));
  assert.equal((await ask(tsfpm, '/health')).status, 200);
  const families = parseOpenMetrics((await askOpenMetrics(tsfpm)).text);
  assert.deepEqual(
    ['good', 'bad'].map((pool) => sample(families, 'phpfpm_up', { pool })),
    [1, 0],
  );
  await tsfpm.get('pid.php', { pool: 'good' });
});

test('/metrics counts answers by their status, and processor time, also of workers that have ended', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: HTTP,
    pools: { www: { 'pm.max_children': 1, 'pm.max_requests': 2 } },
    files: {
      'status.php': `<?php http_response_code((int) $_GET['s']);
        for ($until = microtime(true) + 0.05; microtime(true) < $until;);`,
      'dies.php': '<?php ini_set("display_errors", "0"); undefined_function();',
    },
  });
  await reload(tsfpm);
  for (const status of [200, 204, 301, 404, 418, 503, 799])
    await tsfpm.request('status.php', { params: { QUERY_STRING: `s=${status}` } });
  await tsfpm.request('dies.php');
  await tsfpm.request('gone.php');
  const families = parseOpenMetrics((await askOpenMetrics(tsfpm)).text);
  const of = (name: string, labels: Record<string, string> = {}) =>
    sample(families, name, { pool: 'www', ...labels });
  assert.deepEqual(
    ['1xx', '2xx', '3xx', '4xx', '5xx', 'unknown'].map((name) =>
      of('tsfpm_responses_total', { class: name }),
    ),
    [0, 2, 1, 3, 2, 1],
  );
  const seconds = of('tsfpm_cpu_seconds_total') ?? 0;
  assert.ok(seconds > 0.1 && seconds < 5, `${seconds} s`);
  assert.equal(of('tsfpm_max_children'), 1);
  assert.ok((of('tsfpm_private_bytes') ?? 0) > 0);
  assert.ok((sample(families, 'tsfpm_last_reload_duration_seconds') ?? 0) > 0);
});

test('/ready is 503 while the master drains', async (t) => {
  const tsfpm = await startTsfpm(t, { global: { ...HTTP, process_control_timeout: 10 }, files });
  const running = sleepRequest(tsfpm, 1500);
  await until(
    'it runs',
    async () => JSON.parse((await ask(tsfpm, '/status')).text).www['active processes'] === 1,
  );
  tsfpm.signal('SIGQUIT');
  const answer = await until('it drains', async () => {
    const now = await ask(tsfpm, '/ready');
    return now.status !== 200 && now;
  });
  assert.equal(answer.status, 503);
  assert.equal((await ask(tsfpm, '/health')).status, 200);
  await running;
  assert.deepEqual(await tsfpm.ended(), { code: 0, signal: null });
  assert.ok(!existsSync(tsfpm.folder.at('http.sock')));
});

test('another host name than localhost is refused on TCP unless http.hosts has it; a reload changes that', async (t) => {
  const port = await freePort();
  const global = { 'http.listen': `127.0.0.1:${port}` };
  const tsfpm = await startTsfpm(t, { global, files });
  const status = async (host?: string) => (await get({ port }, '/status?full', undefined, host)).status;
  assert.deepEqual(
    [await status(), await status(`[::1]:${port}`), await status('rebound.example')],
    [200, 200, 421],
  );
  await reload(tsfpm, { global: { ...global, 'http.hosts': 'a.example, rebound.example' }, files });
  assert.deepEqual([await status('rebound.example'), await status('other.example')], [200, 421]);
});
