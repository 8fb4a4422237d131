import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { renderMetrics as pieces } from '../../../src/status/metrics.js';
import type { MetricsInput } from '../../../src/status/metrics-input.js';
import { assertGolden } from './golden.js';
import { parseOpenMetrics } from './openmetrics-parser.js';
import { HOSTILE_POOL, METRICS, POOL, poolMetrics } from './sample.js';

const renderMetrics = (...args: Parameters<typeof pieces>) => [...pieces(...args)].join('');

const HOSTILE_METRICS: MetricsInput = {
  ...METRICS,
  pools: [{ ...poolMetrics(HOSTILE_POOL), deaths: new Map([['a "b"\\\n', 1]]) }],
};

test('metrics are the golden ones', () => {
  assertGolden('metrics.openmetrics', renderMetrics(METRICS));
  assertGolden('metrics.prometheus', renderMetrics(METRICS, 'prometheus'));
});

test('metrics are valid OpenMetrics', () => {
  const families = parseOpenMetrics(renderMetrics(METRICS));
  const metric = (name: string, labels: Record<string, string> = {}) =>
    families
      .flatMap(({ samples }) => samples)
      .find(
        (sample) =>
          sample.name === name &&
          Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value),
      )?.value;
  assert.equal(metric('phpfpm_up', { pool: 'shop' }), 1);
  assert.equal(metric('phpfpm_accepted_connections', { pool: 'www' }), 4711);
  assert.equal(metric('phpfpm_process_state', { pool: 'www', child: '1', state: 'Running' }), 1);
  assert.equal(metric('phpfpm_process_state', { pool: 'www', child: '1', state: 'Idle' }), 0);
  assert.equal(metric('tsfpm_request_duration_seconds_bucket', { pool: 'www', le: '1.0' }), 12);
  assert.equal(metric('tsfpm_request_duration_seconds_count', { pool: 'www' }), 15);
  assert.equal(metric('tsfpm_worker_deaths_total', { pool: 'www', reason: 'signal SEGV' }), 1);
  assert.equal(metric('tsfpm_worker_private_bytes', { pool: 'www', child: '2' }), 1_000_000);
  assert.equal(metric('tsfpm_worker_private_bytes', { pool: 'www', child: '1' }), undefined);
  assert.equal(metric('tsfpm_config_last_reload_successful'), 0);
});

test('hostile names and numbers leave the metrics valid', () => {
  const families = parseOpenMetrics(renderMetrics(HOSTILE_METRICS));
  const deaths = families.find(({ name }) => name === 'tsfpm_worker_deaths');
  assert.equal(deaths?.samples[0]?.labels.get('reason'), 'a "b"\\\ufffd');
});

test('no pool at all leaves the metrics valid', () => {
  const families = parseOpenMetrics(renderMetrics({ ...METRICS, pools: [] }));
  assert.ok(families.every(({ name }) => !name.startsWith('phpfpm_')));
});

test('every name of the exporter is there', () => {
  // hipages/php-fpm_exporter, phpfpm/exporter.go.
  const names =
    'up scrape_failures start_since accepted_connections listen_queue max_listen_queue listen_queue_length idle_processes active_processes total_processes max_active_processes max_children_reached slow_requests process_requests process_last_request_memory process_last_request_cpu process_request_duration process_state';
  for (const format of ['openmetrics', 'prometheus'] as const) {
    const text = renderMetrics(METRICS, format);
    for (const name of names.split(' ')) {
      assert.match(text, new RegExp(`^phpfpm_${name}\\{pool="www"`, 'm'));
    }
  }
});

/** What `promtool check metrics` complains of, for the names and types that there are here. */
function complaints(text: string): string[] {
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  const helps = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name));
  return types.flatMap(([, name = '', type = '']) => [
    ...(helps.has(name) ? [] : [`${name}: no help`]),
    ...(type === 'counter' && !name.endsWith('_total') ? [`${name}: a counter without _total`] : []),
    ...(type !== 'counter' && name.endsWith('_total') ? [`${name}: no counter, but _total`] : []),
    ...(/_(bucket|count|sum)$/.test(name) ? [`${name}: the end of a histogram's name`] : []),
    ...(/(^|_)(counter|gauge|histogram|summary|untyped)(_|$)/.test(name)
      ? [`${name}: a type in the name`]
      : []),
    ...(/(^|_)(milli|micro|nano)?(s|ms|us|ns|sec|b|kb|mb|gb|minutes|hours|days|milliseconds|microseconds|kilobytes)(_|$)/.test(
      name,
    )
      ? [`${name}: not a base unit`]
      : []),
    ...(/[:A-Z]/.test(name) ? [`${name}: characters`] : []),
    ...(types.filter(([, other]) => other === name).length > 1 ? [`${name}: twice`] : []),
  ]);
}

test('the older format is what promtool approves of', () => {
  const text = renderMetrics(METRICS, 'prometheus');
  assert.deepEqual(complaints(text), []);
  assert.ok(complaints('# TYPE a_count_ms counter').length > 2);
  assert.match(text, /^# TYPE phpfpm_accepted_connections untyped$/m);
  for (const gauge of ['start_since', 'max_listen_queue', 'max_active_processes'])
    assert.match(text, new RegExp(`^# TYPE phpfpm_${gauge} gauge$`, 'm'));
  assert.match(text, /^# TYPE tsfpm_forks_total counter$/m);
  assert.match(text, /^# TYPE tsfpm_build_info gauge$/m);
  assert.doesNotMatch(text, /# (EOF|UNIT)/);
});

test('the reference parser reads both formats', (t) => {
  const program = [
    'import sys, json',
    'from prometheus_client.openmetrics import parser as strict',
    'from prometheus_client import parser as plain',
    'for text in json.load(sys.stdin)["openmetrics"]: list(strict.text_string_to_metric_families(text))',
    'print("read")',
  ].join('\n');
  if (spawnSync('python3', ['-c', 'import prometheus_client']).status !== 0) {
    t.skip('python3 with prometheus_client is not installed');
    return;
  }
  const openmetrics = [METRICS, HOSTILE_METRICS, { ...METRICS, pools: [poolMetrics(POOL)] }].map((input) =>
    renderMetrics(input),
  );
  const input = JSON.stringify({ openmetrics });
  const { stdout, stderr } = spawnSync('python3', ['-c', program], {
    input,
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.equal(stdout, 'read\n', stderr);
});
