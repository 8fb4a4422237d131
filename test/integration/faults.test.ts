import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { Count } from '../../src/units.js';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, startTsfpm, TSFPM } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { type Fault, FaultInjection, faultArguments } from '../helpers/faults.js';
import { PID_PHP } from '../helpers/probes.js';
import { killProcess } from '../helpers/processes.js';
import { ONDEMAND } from '../helpers/scaling-pools.js';
import { until } from '../helpers/wait.js';

// Every system call that a step of the master makes is refused once, the first, the second and so on until there is none
// more. Whatever fails: workers serve, the step comes to an end, the log says what was wrong and is free of mistakes of
// ours, and a stop is in order. `npm run test:faults` tries every call with every error; default is a choice in less than a minute.

const isFull = process.env.TSFPM_FAULTS === 'full';
const skip = spawnSync('strace', ['-V']).status === 0 ? false : 'needs strace, which injects the faults';
const timeout = isFull ? 3_600_000 : 120_000;

/**
 * What the kernel may say to each. Not getsockopt, which tells who gives a command, nor epoll_ctl, for which libuv ends the process, nor pipe2, after which Node keeps its
 * ends of a child's pipes: `startChild` sees to it that there are descriptors for it.
 */
const CALLS: Readonly<Record<string, readonly string[]>> = isFull
  ? {
      openat: ['EMFILE', 'ENFILE', 'ENOMEM'],
      socket: ['EMFILE', 'ENOBUFS', 'ENOMEM'],
      socketpair: ['EMFILE', 'ENOMEM'],
      bind: ['ENOMEM', 'ENOSPC'],
      listen: ['ENOMEM'],
      connect: ['EAGAIN', 'ENOMEM'],
      memfd_create: ['EMFILE', 'ENOMEM'],
      ftruncate: ['ENOSPC', 'ENOMEM'],
      pwrite64: ['ENOSPC', 'ENOMEM'],
      fcntl: ['EMFILE', 'ENOMEM'],
      clone: ['EAGAIN', 'ENOMEM'],
      pidfd_open: ['EMFILE', 'ENOMEM'],
      mkdir: ['ENOSPC', 'ENOMEM'],
      unlink: ['ENOMEM', 'EROFS'],
      rmdir: ['ENOMEM'],
      statx: ['ENOMEM'],
      sendto: ['ENOBUFS', 'EAGAIN'],
      write: ['ENOSPC', 'EAGAIN', 'ENOMEM'],
      mmap: ['ENOMEM'],
      wait4: ['EINTR'],
      waitid: ['EINTR'],
    }
  : {
      openat: ['EMFILE'],
      socket: ['EMFILE'],
      socketpair: ['ENOMEM'],
      memfd_create: ['ENOMEM'],
      ftruncate: ['ENOSPC'],
      clone: ['EAGAIN'],
      mkdir: ['ENOSPC'],
    };
const FAULTS = Object.entries(CALLS).flatMap(([call, errors]) => errors.map((error) => ({ call, error })));
/** Far more calls than any step makes: a sweep that goes on has met something that is called by the clock. */
const MOST_CALLS: Count = 400;

const files = { 'pid.php': PID_PHP };
const READY = /NOTICE: ready to handle connections\n/;

/** The daemon, from which every fault is announced: what may not be in the log is looked for here. */
async function start(t: TestContext, pools: Readonly<Record<string, Settings>>): Promise<Daemon> {
  const tsfpm = await startTsfpm(t, { files, pools });
  tsfpm.announce(/WARNING|ERROR|ALERT/);
  await tsfpm.log.expect(READY);
  return tsfpm;
}

interface Scenario {
  readonly tsfpm: Daemon;
  /** Asks for what is to meet the fault, and waits until it has come to an end. */
  readonly act: () => Promise<void>;
  /** Pools that serve all the time. */
  readonly pools: readonly string[];
  /** Always in force. */
  readonly also?: readonly Fault[];
  /** Whether each refused call must be told; else some harm nothing. */
  readonly isTold?: (call: string) => boolean;
}

/**
 * @param renew makes another scenario for each case, or the same
 * @param options.most calls of each kind that are tried in the short form
 */
async function sweep(
  t: TestContext,
  renew: () => Promise<Scenario> | Scenario,
  { most }: { readonly most: Count },
): Promise<void> {
  for (const { call, error } of FAULTS) {
    for (let when: Count = 1; when <= (isFull ? MOST_CALLS : most); when++) {
      const { tsfpm, act, pools, also = [], isTold = () => false } = await renew();
      const about = `${call}: ${error} at call ${when}`;
      const from = tsfpm.log.text.length;
      const injection = await FaultInjection.into(tsfpm.pid, [{ call, error, when }, ...also]);
      const failure = await act().then(
        () => undefined,
        (cause: Error) => cause,
      );
      const refused = (await injection.end())(call);
      const log = () => `${about}; the log:\n${tsfpm.log.text.slice(from)}`;
      if (failure !== undefined) throw new Error(log(), { cause: failure });
      for (const pool of pools)
        await tsfpm.get('pid.php', { pool }).catch((cause) => {
          throw new Error(log(), { cause });
        });
      assert.doesNotMatch(tsfpm.log.text.slice(from), /internal error/, about);
      if (refused > 0 && isTold(call)) assert.match(tsfpm.log.text.slice(from), /WARNING|ERROR/, about);
      if (refused === 0) {
        t.diagnostic(`${call}: ${error}: ${when - 1} calls`);
        break;
      }
    }
  }
}

/** Those without which there is no zygote. */
const isVital = (call: string) =>
  ['socketpair', 'memfd_create', 'ftruncate', 'clone', 'mkdir'].includes(call);

test('a reload whose system calls fail', { skip, timeout }, async (t) => {
  const tsfpm = await start(t, { www: {}, other: {} });
  const reloadEnds = async () => {
    const { code, stdout } = await tsfpmCommand(tsfpm, 'reload');
    assert.ok(code === 0 || code === 1 || code === 69, stdout);
    await until(
      'no reload goes on',
      async () => !/reloading/.test((await tsfpmCommand(tsfpm, 'status')).stdout),
    );
  };
  await sweep(t, () => ({ tsfpm, pools: ['www', 'other'], isTold: isVital, act: reloadEnds }), { most: 3 });
  const { code, stdout } = await tsfpmCommand(tsfpm, 'reload');
  assert.equal(code, 0, stdout);
});

test('a zygote that dies when system calls fail is replaced', { skip, timeout }, async (t) => {
  await sweepPools(t, { most: 1 }, async (tsfpm, pool) => {
    const dead = tsfpm.zygote(pool) ?? 0;
    killProcess(dead);
    await until('there is another zygote', () => {
      const now = tsfpm.zygote(pool);
      return now !== undefined && now !== dead;
    });
    await tsfpm.untilWorkers(1, pool);
  });
});

test('the first client of an ondemand pool when system calls fail is served', {
  skip,
  timeout,
}, async (t) => {
  await sweepPools(t, { most: 3, ...ONDEMAND }, async (tsfpm, pool) => {
    await tsfpm.get('pid.php', { pool });
  });
});

/** Each case has a pool of its own, so that each is the first. */
async function sweepPools(
  t: TestContext,
  { most, ...settings }: Settings & { readonly most: Count },
  act: (tsfpm: Daemon, pool: string) => Promise<void>,
): Promise<void> {
  const names = Array.from({ length: 12 }, (_, i) => `p${i}`);
  const pools = Object.fromEntries([
    ['www', {}],
    ...names.map((name) => [name, { 'pm.max_children': 1, ...settings }]),
  ]);
  let tsfpm: Daemon | undefined;
  let left: string[] = [];
  await sweep(
    t,
    async () => {
      if (left.length === 0) {
        await tsfpm?.stop();
        tsfpm = await start(t, pools);
        left = [...names];
      }
      const pool = left.pop() ?? '';
      const daemon = tsfpm as Daemon;
      return { tsfpm: daemon, pools: ['www', pool], isTold: isVital, act: () => act(daemon, pool) };
    },
    { most },
  );
}

test('an upgrade whose system calls fail is refused', { skip, timeout }, async (t) => {
  const tsfpm = await start(t, { www: {} });
  const also = [{ call: 'execve', error: 'ENOMEM', when: undefined }];
  const act = async () => {
    const { code } = await tsfpmCommand(tsfpm, 'upgrade');
    assert.notEqual(code, 0);
    await tsfpm.log.expect(/ERROR: upgrade refused: /);
  };
  await sweep(t, () => ({ tsfpm, pools: ['www'], also, act, isTold: () => true }), { most: 2 });
  const { code, stdout } = await tsfpmCommand(tsfpm, 'reload');
  assert.equal(code, 0, stdout);
});

test('a stop whose system calls fail', { skip, timeout }, async (t) => {
  for (const { call, error } of FAULTS) {
    if (call === 'fcntl') continue; // the last of them are Node's own, for its standard streams, and it insists on them
    for (let when: Count = 1, refused = 1; refused > 0; when++) {
      const tsfpm = await start(t, { www: {}, cold: ONDEMAND });
      const injection = await FaultInjection.into(tsfpm.pid, [{ call, error, when }]);
      const end = await tsfpm.stop('SIGTERM');
      refused = (await injection.end())(call);
      assert.deepEqual(end, { code: 0, signal: null }, `${call}: ${error} at call ${when}`);
      assert.doesNotMatch(tsfpm.log.text, /internal error/);
    }
  }
});

test('a start whose system calls fail serves or says why not', { skip, timeout }, async (t) => {
  // Node's own start is its own affair: from the configuration file on.
  const began = (trace: string, call: string) => {
    const lines = trace.split('\n');
    const first = lines.findIndex((line) => /openat\(.*tsfpm\.conf"/.test(line));
    const count = (part: readonly string[]) => part.filter((line) => line.startsWith(`${call}(`)).length;
    return { before: count(lines.slice(0, first)), after: count(lines.slice(first)) };
  };
  const run = (folderTrace: string, argv: readonly string[]): readonly [string, ...string[]] => [
    'strace',
    '-D', // the master keeps the pid of the command
    '-o',
    folderTrace,
    ...argv,
    process.execPath,
    TSFPM,
  ];
  const trace = `/tmp/tsfpm-faults-start-${process.pid}`;
  t.after(() => rmSync(trace, { force: true }));
  const names = Object.keys(CALLS).join(',');
  const dry = await startTsfpm(t, {
    files,
    isUnchecked: true,
    command: run(trace, ['-e', `trace=openat,${names}`, '-e', 'signal=none']),
  });
  dry.signal('SIGKILL');
  await dry.ended();
  const whole = readFileSync(trace, 'utf8');
  for (const { call, error } of FAULTS) {
    const { before, after } = began(whole, call);
    const step = isFull ? 1 : Math.max(1, Math.ceil(after / 3));
    for (let when = before + 1; when <= before + after; when += step) {
      const about = `${call}: ${error} at call ${when} of ${before + after}`;
      const command = run(trace, faultArguments([{ call, error, when }]));
      const { code, stderr } = await endedOrReady(t, command);
      assert.ok(code === 0 || code === 70 || code === 78, `${about}: code ${code}; it said:\n${stderr}`);
      assert.doesNotMatch(stderr, /internal error/, about);
      if (code !== 0) assert.match(stderr, /ERROR: .*\n/, about);
    }
  }
});

/** A start, and if it comes to that the stop. */
async function endedOrReady(
  t: TestContext,
  command: readonly [string, ...string[]],
): Promise<{ code: number | null; stderr: string }> {
  try {
    const tsfpm = await startTsfpm(t, { files, command, isUnchecked: true });
    assert.match(await tsfpm.get('pid.php'), /[0-9]/);
    return { ...(await tsfpm.stop('SIGTERM')), stderr: tsfpm.log.text };
  } catch (error) {
    const told = /the daemon ended with (\{.*?\})/.exec(error instanceof Error ? error.message : '');
    if (told === null) throw error;
    return { code: JSON.parse(told[1] ?? '{}').code as number, stderr: (error as Error).message };
  }
}
