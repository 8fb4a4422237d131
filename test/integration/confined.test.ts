import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { userByName } from '../../src/os/accounts.js';
import { tsfpmCommand } from '../helpers/command.js';
import { type Confinement, confined } from '../helpers/confine.js';
import { type Daemon, runTsfpm, startTsfpm } from '../helpers/daemon.js';
import { isRoot, type Settings, unlessRoot } from '../helpers/daemon-folder.js';
import { reload } from '../helpers/reload.js';
import { burst, DYNAMIC, ONDEMAND, SEEMS_BUSY, SLEEP_PHP, sleepRequest } from '../helpers/scaling-pools.js';
import { freePort } from '../helpers/two-pools.js';
import { until } from '../helpers/wait.js';

// The daemon where the kernel refuses what tsfpm would like to use: it serves by other means and says so once, or it does
// not start and says why.

/** As RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 has it, which is in many distributions' units. */
const NO_NETLINK = 'socket:0:16=EAFNOSUPPORT';
/** getsockopt(2) with TCP_INFO. */
const NO_TCP_INFO = 'getsockopt:2:11=EPERM';

const BURST = 24;
/** One after the other they would take 24 s. */
const GENEROUS_MS = 6000;

for (const settings of [ONDEMAND, DYNAMIC])
  for (const [kind, refuse] of [
    ['unix', NO_NETLINK],
    ['tcp', NO_TCP_INFO],
  ] as const)
    test(`${settings.pm}: a burst on a ${kind} socket is served at once though the kernel does not tell its queue`, async (t) => {
      const tsfpm = await startTsfpm(t, {
        command: confined({ refuse: [refuse] }),
        global: { log_level: 'debug' },
        pools: {
          www: { ...settings, ...(kind === 'tcp' ? { listen: `127.0.0.1:${await freePort()}` } : {}) },
        },
        files: { 'sleep.php': SLEEP_PHP },
      });
      tsfpm.announce(SEEMS_BUSY);
      const tookMs = await burst(tsfpm, { requests: BURST, ms: 1000 });
      assert.ok(tookMs < GENEROUS_MS, `the last answer came after ${tookMs} ms`);
      const forks = tsfpm.log.lines.filter((line) => /child [0-9]+ started/.test(line)).length;
      assert.ok(forks <= BURST + Number(settings['pm.max_spare_servers'] ?? 1), `${forks} forks`);
    });

test('queue.timeout is told to have no effect where the kernel does not tell who waits, and queue.max holds', async (t) => {
  const limits = { 'pm.max_children': 1, 'queue.timeout': '100ms', 'queue.max': 1 };
  const tsfpm = await startTsfpm(t, {
    command: confined({ refuse: [NO_NETLINK] }),
    pools: { unix: limits, tcp: { ...limits, listen: `127.0.0.1:${await freePort()}` } },
    files: { 'sleep.php': SLEEP_PHP },
  });
  tsfpm.announce(/WARNING: \[pool tcp\] overloaded: more than queue\.max \(1\) clients wait/);
  const text = tsfpm.log.lines.join('\n');
  for (const kind of ['unix', 'tcp'])
    assert.match(text, new RegExp(`who waits at a ${kind} socket is unknown: no netlink .* no effect there`));
  const answers = async (pool: string) => {
    const params = { QUERY_STRING: 'ms=600' };
    const statuses = Array.from({ length: 3 }, () => tsfpm.request('sleep.php', { pool, params }));
    return (await Promise.all(statuses)).map(({ status }) => status).sort();
  };
  assert.deepEqual(await answers('unix'), [200, 200, 200]);
  assert.deepEqual(await answers('tcp'), [200, 200, 503]);
});

/** Descriptors besides those of a worker that PHP itself knows nothing of. */
const WHO_PHP = `<?php
$links = array_map(fn($fd) => (string) @readlink("/proc/self/fd/$fd"), @scandir('/proc/self/fd') ?: []);
echo json_encode(['uid' => posix_geteuid(), 'has_etc' => is_dir('/etc'), 'left' => array_values(preg_grep('/left-open/', $links))]);`;
const SPIN_PHP = `<?php function spin() { $end = hrtime(true) + 1.2e9; while (hrtime(true) < $end); } spin(); echo 'spun';`;

/** One of each kind that asks something of its own of the kernel. */
const POOLS: Readonly<Record<string, Settings>> = {
  few: { pm: 'ondemand', 'pm.max_children': 8 },
  other: { user: isRoot ? 'daemon' : undefined, request_terminate_timeout: '4s', 'pm.max_children': 1 },
  heavy: { 'pm.max_memory': '500M', 'pm.max_children': 1 },
  slow: { request_slowlog_timeout: '300ms', slowlog: '{folder}/slow.log', 'pm.max_children': 2 },
  ...(isRoot ? { jail: { chroot: '{folder}/www', 'pm.max_children': 1 } } : {}),
};
const DAEMON_UID = userByName('daemon')?.uid;

interface Course {
  readonly limits: Confinement;
  /** What the log says of it, each once. */
  readonly lines: readonly RegExp[];
  readonly without?: readonly string[];
  /** Requests whose backtrace must be in the slow log. Default: both. */
  readonly traced?: readonly ('sleep.php' | 'spin.php')[];
}

/** Start, growth, users and jails, the slow log, a reload, all of it again, and the stop that every test has. */
async function serveThrough(
  t: TestContext,
  { limits, lines, without = [], traced = ['sleep.php', 'spin.php'] }: Course,
) {
  const port = await freePort();
  const pools = Object.entries({ ...POOLS, tcp: { 'pm.max_children': 1, listen: `127.0.0.1:${port}` } });
  const tsfpm = await startTsfpm(t, {
    // Whoever starts a daemon may leave it more than it should have.
    command: confined({ ...limits, leftOpen: leftOpen(t) }),
    pools: Object.fromEntries(pools.filter(([name]) => !without.includes(name))),
    files: { 'sleep.php': SLEEP_PHP, 'who.php': WHO_PHP, 'spin.php': SPIN_PHP },
  });
  tsfpm.announce(/executing too slow/, ...lines);
  await serveAll(tsfpm, without);
  await Promise.all([sleepRequest(tsfpm, 1200, 'slow'), tsfpm.get('spin.php', { pool: 'slow' })]);
  const slow = tsfpm.folder.at('slow.log');
  for (const script of traced)
    await until(`a backtrace of ${script}`, () =>
      new RegExp(`\\[0x[0-9a-f]+\\] .*${script}`).test(textOf(slow)),
    );
  if (traced.length === 0) await tsfpm.log.expect(/no backtrace of child \d+: \S/);
  const startedAt = performance.now();
  await reload(tsfpm);
  await serveAll(tsfpm, without);
  assert.ok(performance.now() - startedAt < GENEROUS_MS);
  for (const line of lines) await until(`the log has ${line}`, () => line.test(tsfpm.log.text));
  const text = tsfpm.log.lines.join('\n');
  for (const line of lines) assert.equal(text.match(new RegExp(line, 'g'))?.length, 1, `${line} in\n${text}`);
  const others = tsfpm.log.lines.filter((line) => / no \S+ \(E[A-Z]+, /.test(line));
  assert.deepEqual(
    others.filter((line) => !lines.some((known) => known.test(line))),
    [],
  );
}

async function serveAll(tsfpm: Daemon, without: readonly string[]): Promise<void> {
  await burst(tsfpm, { requests: 6, ms: 200, pool: 'few' });
  assert.match(await sleepRequest(tsfpm, 1, 'tcp'), /^slept/);
  const who = await tsfpm.getJson<{ uid: number; left: string[] }>('who.php', { pool: 'other' });
  assert.deepEqual(who.left, []);
  if (isRoot) assert.equal(who.uid, DAEMON_UID);
  if (!isRoot || without.includes('jail')) return;
  const params = { SCRIPT_FILENAME: '/who.php', SCRIPT_NAME: '/who.php', DOCUMENT_ROOT: '/' };
  const jailed = await tsfpm.getJson<{ has_etc: boolean }>('who.php', { pool: 'jail', params });
  assert.equal(jailed.has_etc, false);
}

function leftOpen(t: TestContext): string {
  const folder = mkdtempSync('/tmp/tsfpm-left-open-');
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'left-open'), '');
  return join(folder, 'left-open');
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

const unknownQueue = (name: string) =>
  new RegExp(`NOTICE: listen queue unknown: no ${name} \\(E[A-Z]+, .*\\); pools grow one by one`);
const missing = (name: string) => new RegExp(`NOTICE: .*: no ${name} \\(E[A-Z]+, `);

/** What is refused, each with both errors that filters use; what the log says; requests that have a backtrace then. */
const REFUSED: readonly (readonly [string, readonly string[], readonly RegExp[], Course['traced']?])[] = [
  ['nothing', [], []],
  ['netlink', ['socket:0:16'], [unknownQueue('netlink')]],
  ['TCP_INFO', ['getsockopt:2:11'], [unknownQueue('TCP_INFO')]],
  ['pidfd_open', ['pidfd_open'], [missing('pidfd')]],
  ['pidfd_send_signal', ['pidfd_send_signal'], [missing('pidfd')]],
  ['close_range', ['close_range'], [missing('close_range')]],
  ['prlimit', ['prlimit64'], [missing('prlimit')]],
  ['to make a subreaper', ['prctl:0:36'], [missing('PR_SET_CHILD_SUBREAPER')]],
  ['a signal at the death of a parent', ['prctl:0:1'], [missing('PR_SET_PDEATHSIG')]],
  ['SO_PEERCRED', ['getsockopt:2:17'], [missing('SO_PEERCRED')]],
  ['ptrace', ['ptrace'], [missing('ptrace')], ['sleep.php']],
  ['process_vm_readv', ['process_vm_readv'], []],
  [
    'what Linux 4.18 lacks',
    ['close_range', 'pidfd_open', 'openat2', 'epoll_pwait2', 'io_uring_setup'],
    [missing('pidfd'), missing('close_range')],
  ],
];

for (const [what, calls, lines, traced] of REFUSED)
  for (const errno of calls.length === 0 ? [''] : ['ENOSYS', 'EPERM'])
    test(
      `serves and says so once where the kernel refuses ${what} ${errno && `with ${errno}`}`.trimEnd(),
      (t) =>
        serveThrough(t, {
          limits: { refuse: calls.map((call) => `${call}=${errno}`) },
          lines,
          ...(traced === undefined ? {} : { traced }),
        }),
    );

test(
  'serves under RestrictAddressFamilies and the few capabilities of usual units of php-fpm',
  { skip: unlessRoot },
  (t) =>
    serveThrough(t, {
      limits: { refuse: [NO_NETLINK], capabilities: ['CHOWN', 'SETUID', 'SETGID', 'KILL', 'DAC_OVERRIDE'] },
      lines: [
        unknownQueue('netlink'),
        /WARNING: \[pool heavy\] pm\.max_memory counts what workers share .*CAP_SYS_PTRACE/,
        /WARNING: \[pool other\] request_terminate_timeout does not see a worker that sleeps .*CAP_SYS_PTRACE/,
        /WARNING: \[pool slow\] slow requests will be logged without a backtrace: .*CAP_SYS_PTRACE/,
      ],
      without: ['jail'], // chroot is CAP_SYS_CHROOT
      traced: [],
    }),
);

test('workers of a zygote that is killed leave, and others serve, though the kernel tells nobody of its death', async (t) => {
  const tsfpm = await startTsfpm(t, {
    command: confined({ refuse: ['prctl:0:1=EPERM', 'prctl:0:36=EPERM'] }),
    files: {
      'sleep.php': SLEEP_PHP,
      'hold.php':
        "<?php touch(__DIR__ . '/../marks/begun'); $until = hrtime(true) + 5e8; while (hrtime(true) < $until) usleep(1000); echo 'held';",
    },
  });
  const before = await tsfpm.untilWorkers();
  const running = tsfpm.get('hold.php');
  await until('it is running', () => existsSync(tsfpm.folder.at('marks/begun')));
  process.kill(tsfpm.zygote() ?? 0, 'SIGKILL');
  assert.equal(await running, 'held');
  await tsfpm.expectLog(/ERROR: \[pool www\] .*; starting another/);
  await until('others are there', () => {
    const now = tsfpm.workers();
    return now.length === before.length && !now.some((pid) => before.includes(pid));
  });
  assert.match(await sleepRequest(tsfpm, 1), /^slept/);
});

test('commands are refused where the kernel does not tell who gives them', async (t) => {
  const tsfpm = await startTsfpm(t, { command: confined({ refuse: ['getsockopt:2:17=EPERM'] }) });
  const { code } = await tsfpmCommand(tsfpm, 'reload');
  assert.notEqual(code, 0);
  await tsfpm.expectLog(/WARNING: control: refused an unknown peer/);
  assert.doesNotMatch(tsfpm.log.text, /Reloading|ALERT/);
});

for (const [call, name] of [
  ['memfd_create', 'memfd_create'],
  ['signalfd4', 'signalfd'],
  ['accept4', 'accept4'],
  ['waitid', 'waitid'],
] as const)
  for (const errno of ['ENOSYS', 'EPERM'])
    test(`does not start, and says why, where the kernel refuses ${name} with ${errno}`, async (t) => {
      // A pool of pm = ondemand asks for nothing of this before its first client.
      const { code, stderr } = await runTsfpm(t, {
        command: confined({ refuse: [`${call}=${errno}`] }),
        pools: { www: ONDEMAND },
      });
      assert.equal(code, 78);
      assert.match(stderr, new RegExp(`ERROR: tsfpm cannot work here: no ${name} \\(${errno}, `));
    });

for (const [call, reason] of [
  ['capget', /ERROR: \[pool www\] failed to capget\(\): Operation not permitted \(1\)/],
  ['setgroups', /ERROR: \[pool www\] failed to initgroups\(\S+, \d+\): Operation not permitted \(1\)/],
] as const)
  test(`no worker serves where the kernel refuses ${call}, and the log says why`, {
    skip: unlessRoot,
  }, async (t) => {
    const tsfpm = await startTsfpm(t, {
      command: confined({ refuse: [`${call}=EPERM`] }),
      pools: { www: { pm: 'ondemand', 'pm.max_children': 1 } },
      files: { 'who.php': WHO_PHP },
    });
    tsfpm.announce(/child failed to initialize/, /exited with code 70/, /children end as soon as they start/);
    tsfpm.request('who.php').catch(() => {}); // nobody answers
    await tsfpm.expectLog(reason);
    assert.deepEqual(tsfpm.workers(), []);
  });

test('where the kernel does not tell which shared memory is in use, pools that start alike have a php-cgi each', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startTsfpm(t, {
    command: confined({
      refuse: ['mincore=EPERM'],
      capabilities: ['CHOWN', 'SETUID', 'SETGID', 'KILL', 'DAC_OVERRIDE'],
    }),
    pools: { www: {}, other: {} },
    files: { 'index.php': '<?php echo "served";' },
  });
  await tsfpm.expectLog(/is started for each pool by itself.*its? .*shared memory .*cannot be/);
  for (const pool of ['www', 'other']) assert.equal(await tsfpm.get('index.php', { pool }), 'served');
});
