import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Config, inOrderOfApplication, type KeyValue, settingName } from '../../../src/config/config.js';
import { type DirectiveRow, GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from '../../../src/config/directives.js';
import { dumpConfig } from '../../../src/config/dump.js';
import { printValueOf } from '../../../src/config/values.js';
import { configOf, POOL } from './memory-disk.js';

/** The order that php-fpm has, written down once more so that the table can not move unnoticed. */
const GLOBAL_DUMP = `[global]
	pid = undefined
	error_log = /var/log/tsfpm.log
	syslog.ident = tsfpm
	syslog.facility = 24
	log_buffering = yes
	log_level = unknown value
	log_limit = 1024
	emergency_restart_interval = 0s
	emergency_restart_threshold = 0
	process_control_timeout = 0s
	process.max = 0
	process.priority = undefined
	daemonize = yes
	rlimit_files = 0
	rlimit_core = 0
	events.mechanism = epoll
	systemd_interval = 10s
	log_format = fpm
	http.listen = undefined
	http.hosts = undefined
	control.listen = undefined
	reload_unchanged = yes
 `;

const POOL_DUMP = `[www]
	prefix = undefined
	user = www-data
	group = undefined
	listen = 9000
	listen.backlog = -1
	listen.acl_users = undefined
	listen.acl_groups = undefined
	listen.owner = undefined
	listen.group = undefined
	listen.mode = undefined
	listen.allowed_clients = undefined
	process.priority = undefined
	process.dumpable = no
	pm = static
	pm.max_children = 3
	pm.start_servers = 0
	pm.min_spare_servers = 0
	pm.max_spare_servers = 0
	pm.max_spawn_rate = 32
	pm.process_idle_timeout = 10
	pm.max_requests = 0
	pm.status_path = undefined
	pm.status_listen = undefined
	ping.path = undefined
	ping.response = undefined
	access.log = undefined
	access.format = undefined
	access.suppress_path[] = /b
	access.suppress_path[] = /a
	slowlog = undefined
	request_slowlog_timeout = 0s
	request_slowlog_trace_depth = 20
	request_terminate_timeout = 60s
	request_terminate_timeout_track_finished = no
	rlimit_files = 0
	rlimit_core = -1
	chroot = undefined
	chdir = undefined
	catch_workers_output = no
	decorate_workers_output = yes
	clear_env = yes
	security.limit_extensions = .php .phar
	env[A] = $B
	php_value[x] = 1
	php_value[memory_limit] = 34M
	php_value[memory_limit] = 33M
	php_admin_value[y] = 0
	php_cgi = undefined
	php_ini = undefined
	php_sapi_name = fpm-fcgi
	opcache.share = undefined
	opcache.warmup = 0
	pm.zygote_idle_timeout = 300s
	pm.max_memory = 0
	pm.max_memory_hard = 0
	queue.timeout = 0s
	queue.max = 0
 `;

test('-tt shows every setting in the order of php-fpm, ours last, lists newest first', () => {
  const config = configOf(`${POOL}access.suppress_path[] = /a\naccess.suppress_path[] = /b\nenv[A] = $B
php_value[memory_limit] = 33M\nphp_value[memory_limit] = 34M\nphp_flag[x] = on\nphp_admin_flag[y] = off
rlimit_core = unlimited\nrequest_terminate_timeout = 1m\napparmor_hat = hidden\n`);
  assert.deepEqual(dumpConfig(config), `${GLOBAL_DUMP}\n${POOL_DUMP}`.split('\n'));
});

test('a log level that is set is shown', () => {
  const lines = dumpConfig(configOf(`log_level = WARN\nsyslog.facility = local7\n${POOL}`));
  assert.ok(lines.includes('\tlog_level = warning') && lines.includes('\tsyslog.facility = 184'));
});

/** A Config as a file that says all of it. */
function asFile(config: Config): string {
  const pools = config.pools.map((pool) => `[${pool.name}]\n${asSection(POOL_DIRECTIVES, pool)}`);
  return `[global]\n${asSection(GLOBAL_DIRECTIVES, config.global)}${pools.join('')}`;
}

function asSection(rows: readonly DirectiveRow[], settings: object): string {
  const values = settings as Readonly<Record<string, unknown>>;
  return rows
    .filter((row) => row.storedIn === undefined && values[settingName(row.name)] !== undefined)
    .flatMap((row) => asLines(row, values[settingName(row.name)]))
    .map((line) => `${line}\n`)
    .join('');
}

function asLines(row: DirectiveRow, value: unknown): string[] {
  return row.array === undefined
    ? [`${row.name} = ${quoted(printValueOf(row.type, value as never))}`]
    : (value as KeyValue[]).map((entry) => `${row.name}[${entry.key}] = ${quoted(entry.value)}`);
}

function quoted(text: string): string {
  return `"${text.replace(/[\\"$]/g, '\\$&')}"`;
}

const text = fc
  .string({ unit: 'grapheme', minLength: 1 })
  .filter((value) => /^[^\0\r\n]+$/.test(value) && !/\\$|\$pool/.test(value));
const path = text.map((value) => `/${value}`);
const seconds = fc.integer({ min: 0, max: 1000 });
const flag = fc.constantFrom('yes', 'no');
const files = fc.record({
  global: fc.record({
    pid: path,
    error_log: path,
    'syslog.ident': text,
    'syslog.facility': fc.constantFrom('auth', 'local3'),
    log_level: fc.constantFrom('debug', 'alert'),
    process_control_timeout: seconds,
    'process.priority': fc.integer({ min: -19, max: 20 }),
    rlimit_core: fc.constantFrom('unlimited', '7'),
    log_format: fc.constantFrom('fpm', 'json'),
  }),
  pool: fc.record({
    group: text,
    'listen.mode': fc.constantFrom('0666', 'abc'),
    'process.dumpable': flag,
    'pm.max_requests': fc.integer({ min: -5, max: 500 }),
    'ping.path': fc.constant('/ping'),
    'ping.response': text,
    slowlog: path,
    request_slowlog_timeout: seconds,
    clear_env: flag,
    'env[A]': text,
    'php_value[memory_limit]': text,
    'php_flag[x]': flag,
    'php_admin_value[y]': text,
    php_cgi: text,
    'pm.max_memory': fc.constantFrom('0', '1G', '70000K', '5'),
  }),
});

const section = (settings: Readonly<Record<string, string | number>>) =>
  Object.entries(settings)
    .map(([name, value]) => `${name} = ${quoted(String(value))}\n`)
    .join('');

const asSetNowhere = (config: Config) => ({
  ...config,
  written: [],
  pools: config.pools.map((pool) => ({ ...pool, isSpawnRateSet: false })),
});

test('a Config written out and read again is the same', () => {
  fc.assert(
    fc.property(files, ({ global, pool }) => {
      const config = configOf(`${section(global)}${POOL}${section(pool)}`);
      // A dump shows everything, so what tells of having been written is not the same.
      assert.deepEqual(asSetNowhere(configOf(asFile(config))), asSetNowhere(config));
      assert.equal(config.pools[0]?.env[0]?.value, pool['env[A]']);
    }),
  );
});

test('the entry that is written first is applied last and counts', () => {
  const entries = [
    { key: 'a', value: '1' },
    { key: 'b', value: '2' },
    { key: 'a', value: '3' },
  ];
  assert.deepEqual(
    inOrderOfApplication(entries).map(({ value }) => value),
    ['3', '2', '1'],
  );
});
