import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configOf, linesOf, loadText, POOL } from './memory-disk.js';

const DIRECTORIES = ['/tmp', '/tmp/in', '/tmp/in/log'];
const DYNAMIC = `${POOL}pm = dynamic\npm.max_children = 4\n`;
const POST = 'ERROR: failed to post process the configuration';
const READ = "ERROR: failed to load configuration file 't.conf'";
const at = (line: number, text: string) => `ERROR: [t.conf:${line}] ${text}`;

/** A whole file, and every line that is logged about it. */
const CASES: readonly [text: string, lines: readonly string[]][] = [
  [POOL, []],
  ['', ['ERROR: No pool defined. at least one pool section must be specified in config file', POST]],
  // Reading
  [`${POOL}x = 1\n`, [at(6, "unknown entry 'x'"), READ]],
  [`${POOL}x[a] = 1\n`, [at(6, "unknown directive 'x'"), READ]],
  [`${POOL}x[] = 1\n`, [at(6, "You must provide a key for field 'x'"), READ]],
  [`${POOL}env[] = \n`, [at(6, "You must provide a key for field 'env'"), READ]],
  [`${POOL}env[A] =\n`, [at(6, 'empty value'), READ]],
  [`${POOL}env = x\n`, [at(6, "unknown entry 'env'"), READ]],
  [`${POOL}php_flag[a] = x\n`, [at(6, "error while parsing 'php_flag[a]' : invalid boolean value"), READ]],
  [
    `${POOL}access.suppress_path[x] = /x\n`,
    [at(6, "Keys provided to field 'access.suppress_path' are ignored"), READ],
  ],
  [
    `${POOL}access.suppress_path[] = x\n`,
    [at(6, "Values provided to field 'access.suppress_path' must begin with '/'"), READ],
  ],
  [`env[a] = b\n${POOL}`, [at(1, 'Array are not allowed in the global section'), READ]],
  [
    `pid = a$poolb\n${POOL}`,
    [at(1, "unable to parse value for entry 'pid': Can't use '$pool' when the pool is not defined"), READ],
  ],
  [`# note\n${POOL}`, [at(1, 'value is NULL for a ZEND_INI_PARSER_ENTRY'), READ]],
  [`${POOL}env[a] = 'x\n`, [at(6, "syntax error, unexpected '''"), READ]],
  // Global rules
  [
    `events.mechanism = kqueue\n${POOL}`,
    ["ERROR: event mechanism 'kqueue' is not available on this system", POST],
  ],
  // Rules of a pool
  [
    `${POOL}prefix = /nope\n`,
    ["ERROR: [pool www] the prefix '/nope' does not exist or is not a directory", POST],
  ],
  [
    `${POOL}prefix = ../nope\n`,
    ["ERROR: [pool www] the prefix '/usr/../nope' does not exist or is not a directory", POST],
  ],
  [
    `${POOL}pm.max_memory = 1G\npm.max_memory_hard = 512M\n`,
    ['ERROR: [pool www] pm.max_memory_hard(512M) must not be less than pm.max_memory(1G)', POST],
  ],
  [`${POOL}pm.max_memory = 1G\npm.max_memory_hard = 1G\n`, []],
  [`${POOL}pm.max_memory_hard = 1M\n`, []],
  [`${POOL}queue.timeout = 1500ms\nqueue.max = 100\n`, []],
  [`${POOL}queue.max = 10\nlisten.backlog = 11\n`, []],
  [
    `${POOL}queue.max = 11\nlisten.backlog = 11\n`,
    [
      'WARNING: [pool www] queue.max(11) is never reached: the system refuses clients beyond listen.backlog(11)',
    ],
  ],
  [`${POOL}queue.max = -1\n`, ['ALERT: [pool www] queue.max(-1) must not be less than 0', POST]],
  [
    '[www]\n',
    [
      'ALERT: [pool www] user has not been defined',
      'ALERT: [pool www] no listen address have been defined!',
      'ALERT: [pool www] the process manager is missing (static, dynamic or ondemand)',
      'ALERT: [pool www] pm.max_children must be a positive value',
      POST,
    ],
  ],
  [`${POOL}listen =\n`, ['ALERT: [pool www] no listen address have been defined!', POST]],
  [
    `${DYNAMIC}pm.min_spare_servers = 1\npm.max_spare_servers = 4\n`,
    ["NOTICE: [pool www] pm.start_servers is not set. It's been set to 2."],
  ],
  [
    `${DYNAMIC}pm.min_spare_servers = 1\npm.max_spare_servers = 5\n`,
    [
      'ALERT: [pool www] pm.min_spare_servers(1) and pm.max_spare_servers(5) cannot be greater than pm.max_children(4)',
      POST,
    ],
  ],
  [
    `${DYNAMIC}pm.min_spare_servers = 3\npm.max_spare_servers = 2\n`,
    ['ALERT: [pool www] pm.max_spare_servers(2) must not be less than pm.min_spare_servers(3)', POST],
  ],
  [
    `${DYNAMIC}pm.min_spare_servers = 1\npm.max_spare_servers = 3\npm.start_servers = 4\n`,
    [
      'ALERT: [pool www] pm.start_servers(4) must not be less than pm.min_spare_servers(1) and not greater than pm.max_spare_servers(3)',
      POST,
    ],
  ],
  [
    `events.mechanism = Poll\n${POOL}pm = ondemand\n`,
    [
      'ALERT: [pool www] ondemand process manager can ONLY be used when events.mechanism is either epoll (Linux) or kqueue (*BSD).',
      POST,
    ],
  ],
  [
    `${POOL}pm = ondemand\nlisten.backlog = -5\n`,
    [
      'WARNING: [pool www] listen.backlog(-5) was too low for the ondemand process manager. I updated it for you to -1.',
    ],
  ],
  [`${POOL}pm.status_path = /\n`, ["ERROR: [pool www] the status path '/' is not long enough", POST]],
  [`${POOL}pm.status_path = /\npm.status_listen = 9001\n`, []],
  [`${POOL}pm.status_path = ab\n`, ["ERROR: [pool www] the status path 'ab' must start with a '/'", POST]],
  [
    `${POOL}ping.path = /a?b\n`,
    [
      "ERROR: [pool www] the ping path '/a?b' must contain only the following characters '[alphanum]/_-.~'",
      POST,
    ],
  ],
  [
    `${POOL}ping.path = /p\nping.response =\n`,
    ["ERROR: [pool www] the ping response page '' is not long enough", POST],
  ],
  [`${POOL}ping.response =\n`, []],
  [
    `${POOL}request_slowlog_timeout = 5\n`,
    ["ERROR: [pool www] 'slowlog' must be specified for use with 'request_slowlog_timeout'", POST],
  ],
  [
    `${POOL}request_slowlog_trace_depth = 5\n`,
    ["ERROR: [pool www] 'slowlog' must be specified for use with 'request_slowlog_trace_depth'", POST],
  ],
  [
    `${POOL}slowlog = /s\nrequest_slowlog_timeout = 5\nrequest_terminate_timeout = 3\n`,
    [
      "ERROR: [pool www] 'request_slowlog_timeout' (5) can't be greater than 'request_terminate_timeout' (3)",
      POST,
    ],
  ],
  [
    `${POOL}chroot = a$prefix\n`,
    [
      "ERROR: '$prefix' must be use at the beginning of the value",
      "ERROR: [pool www] the chroot path 'a$prefix' must start with a '/'",
      POST,
    ],
  ],
  [
    `${POOL}chroot = /nope\n`,
    ["ERROR: [pool www] the chroot path '/nope' does not exist or is not a directory", POST],
  ],
  [
    `${POOL}chdir = log\n`,
    ["ERROR: [pool www] the chdir path '/usr/log' does not exist or is not a directory", POST],
  ],
  [`${POOL}prefix = /tmp\nchroot = $prefix/in\nchdir = /log\n`, []],
  [`${POOL}opcache.warmup = 2000\n`, []],
  [`${POOL}opcache.warmup = -1\n`, ['ALERT: [pool www] opcache.warmup(-1) must be within 0 and 20000', POST]],
  [`${POOL}opcache.share = Some-owner_1.example\n`, []],
  [
    `${POOL}opcache.share = two owners\n`,
    [
      "ERROR: [pool www] opcache.share 'two owners' is no name: up to 64 letters, digits, dots, underscores and hyphens",
      POST,
    ],
  ],
  [
    `${POOL}chroot = /tmp\nchdir = /nope\n`,
    [
      "ERROR: [pool www] the chdir path '/nope' within the chroot path '/tmp' ('/tmp//nope') does not exist or is not a directory",
      POST,
    ],
  ],
  [
    `${POOL}[b]\nuser = u\nlisten = 9000\npm = static\npm.max_children = 1\n`,
    ["ERROR: [pool b] unable to set listen address as it's already used in another pool 'www'", POST],
  ],
  [
    `${POOL}access.log = /a\naccess.format = %z\n`,
    [
      'WARNING: Invalid token in the access.format (%z)',
      "ERROR: [pool www] wrong format for access.format '%z'",
      POST,
    ],
  ],
  [`${POOL}access.format = %z\n`, []],
];

for (const [text, lines] of CASES) {
  test(`${JSON.stringify(text.replace(POOL, '... '))} gives ${lines.length} lines`, () => {
    assert.deepEqual(linesOf(loadText(text, {}, DIRECTORIES)), lines);
  });
}

test('every problem is told, those of reading first', () => {
  const text = `log_limit = 1\npid = $pool\n${POOL}a = 1\n[b]\nuser = u\nlisten = 1\npm = static\n[c]\npm = x\n`;
  assert.deepEqual(linesOf(loadText(text)), [
    at(2, "unable to parse value for entry 'pid': Can't use '$pool' when the pool is not defined"),
    at(8, "unknown entry 'a'"),
    at(14, "unable to parse value for entry 'pm': invalid process manager (static, dynamic or ondemand)"),
    'ALERT: [pool b] pm.max_children must be a positive value',
    READ,
  ]);
});

test('a pool without a user is right where the master is not root, or may be', () => {
  const text = '[www]\nlisten = 1\npm = static\npm.max_children = 1\n';
  assert.deepEqual(linesOf(loadText(text, { isRoot: false })), []);
  assert.deepEqual(linesOf(loadText(text, { allowRoot: true })), []);
  assert.equal(linesOf(loadText(text)).length, 2);
});

test('relative paths start where php-fpm has them start', () => {
  const text = `pid = p\nerror_log = e\n${POOL}listen = s\naccess.log = a\nslowlog = l\nphp_ini = i\nphp_cgi = php-cgi8.4
php_value[error_log] = x\nphp_value[memory_limit] = 1M\nphp_admin_value[error_log] = syslog\n`;
  const plain = configOf(text);
  assert.deepEqual([plain.global.pid, plain.global.errorLog], ['/var/p', '/var/e']);
  const [pool] = plain.pools;
  assert.deepEqual(
    [pool?.listen, pool?.accessLog, pool?.slowlog, pool?.phpIni, pool?.phpCgi],
    ['/usr/s', '/usr/a', '/usr/l', '/usr/i', 'php-cgi8.4'],
  );
  assert.deepEqual(pool?.phpValue, [
    { key: 'error_log', value: '/usr/x' },
    { key: 'memory_limit', value: '1M' },
  ]);
  assert.deepEqual(pool?.phpAdminValue, [{ key: 'error_log', value: 'syslog' }]);
  const prefixed = configOf(`${text}prefix = in\n`, { prefix: '/tmp' }, ['/tmp', '/tmp/in']);
  assert.deepEqual([prefixed.global.pid, prefixed.pools[0]?.listen], ['/tmp/p', '/tmp/in/s']);
});

test('sections may come again, in any letter case', () => {
  const config = configOf(`${POOL}[GLOBAL]\nlog_level = error\n[WWW]\nuser = root\n`);
  assert.equal(config.global.logLevel, 'error');
  assert.deepEqual(
    config.pools.map(({ name, user }) => [name, user]),
    [['www', 'root']],
  );
});

test('$pool is replaced in texts, not in keys', () => {
  const [pool] = configOf(`${POOL}user = $pool-$pool\nenv[$pool] = "<$pool>"\n`).pools;
  assert.equal(pool?.user, 'www-www');
  assert.deepEqual(pool?.env, [{ key: '$pool', value: '<www>' }]);
});

test('what is derived is in the Config, which is frozen', () => {
  const config = configOf(
    `process.priority = 64\n${POOL}ping.path = /p\npm.status_listen = 9001\naccess.log = /a\n`,
  );
  const [pool] = config.pools;
  assert.equal(config.global.processPriority, undefined);
  assert.deepEqual(
    [pool?.pingResponse, pool?.pmStatusPath, pool?.accessFormat, pool?.requestSlowlogTraceDepth],
    ['pong', '/', '%R - %u %t "%m %r" %s', 20],
  );
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.pools) && Object.isFrozen(pool?.env));
});
