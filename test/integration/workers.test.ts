import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { realpathSync, renameSync } from 'node:fs';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { IDENTITY_PHP, PID_PHP } from '../helpers/probes.js';
import { descriptorsOf, processInfo } from '../helpers/processes.js';
import { sleep, until } from '../helpers/wait.js';

interface Identity {
  readonly uid: number[];
  readonly gid: number[];
  readonly groups: number[];
  readonly pid: number;
  readonly status: string;
}

const idOf = (...words: string[]) =>
  execFileSync('id', words, { encoding: 'utf8' }).trim().split(' ').map(Number);

test('a worker is its pool user, with that user and its groups and nothing of root', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startTsfpm(t, { files: { 'id.php': IDENTITY_PHP } });
  const worker = await tsfpm.getJson<Identity>('id.php');
  const [uid = -1] = idOf('-u', WORKER_USER);
  const [gid = -1] = idOf('-g', WORKER_USER);
  assert.deepEqual(worker.uid, [uid, uid]);
  assert.deepEqual(worker.gid, [gid, gid]);
  assert.deepEqual(worker.groups.sort(), idOf('-G', WORKER_USER).sort());
  assert.match(worker.status, new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, 'm'));
  assert.match(worker.status, /^CapEff:\t0+$/m);
  assert.match(worker.status, /^CapPrm:\t0+$/m);
});

test('group overrides the primary group of the user', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { group: 'daemon' } },
    files: { 'id.php': IDENTITY_PHP },
  });
  const worker = await tsfpm.getJson<Identity>('id.php');
  const daemon = Number(execFileSync('getent', ['group', 'daemon'], { encoding: 'utf8' }).split(':')[2]);
  assert.deepEqual(worker.gid, [daemon, daemon]);
  assert.ok(worker.groups.includes(daemon));
  assert.ok(!worker.groups.includes(0));
});

test('user and group may be numbers', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { user: 64999, group: 64998 } },
    files: { 'id.php': IDENTITY_PHP },
  });
  const worker = await tsfpm.getJson<Identity>('id.php');
  assert.deepEqual([worker.uid, worker.gid, worker.groups], [[64999, 64999], [64998, 64998], [64998]]);
});

test('process titles name the master with its file, the zygote and the pool', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: {}, shop: { 'pm.max_children': 1 } },
    files: { 'pid.php': PID_PHP },
  });
  assert.equal(
    processInfo(tsfpm.pid)?.title,
    `tsfpm: master process (${realpathSync(tsfpm.folder.configFile)})`,
  );
  const titles = tsfpm.family().map(({ title }) => title);
  assert.deepEqual(titles.sort(), [
    'tsfpm: pool shop',
    'tsfpm: pool www',
    'tsfpm: pool www',
    'tsfpm: template',
    'tsfpm: zygote shop',
    'tsfpm: zygote www',
  ]);
  assert.ok(tsfpm.workers().includes(Number(await tsfpm.get('pid.php'))));
});

// php-cgi reads its arguments again in the worker, where the title has been written over their memory: wherever the
// second argument began, one of these titles says -h there, which made the worker print its usage and leave.
test('no pool name is taken for options of php-cgi', async (t) => {
  const names = ['-h-h-h-h-h-h-h-h-h-h-h-h', 'x-h-h-h-h-h-h-h-h-h-h-h-h'];
  const tsfpm = await startTsfpm(t, {
    pools: Object.fromEntries(names.map((name, i) => [name, { listen: `{folder}/${i}.sock` }])),
    files: { 'pid.php': PID_PHP },
  });
  for (const pool of names)
    assert.ok(tsfpm.workers(pool).includes(Number(await tsfpm.get('pid.php', { pool }))));
});

test('the workers of a pool are children of its zygote, in a session apart from the master', async (t) => {
  const tsfpm = await startTsfpm(t);
  const zygote = tsfpm.zygote();
  assert.ok(zygote !== undefined);
  for (const pid of tsfpm.workers()) assert.equal(processInfo(pid)?.parent, zygote);
  assert.equal(processInfo(zygote)?.parent, tsfpm.pid);
  assert.notEqual(processInfo(zygote)?.session, processInfo(tsfpm.pid)?.session);
});

test('pm.max_requests makes a worker leave with code 0 and be replaced', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'pm.max_requests': 3 } },
    files: { 'pid.php': PID_PHP },
  });
  const pids: string[] = [];
  for (let i = 0; i < 7; i++) pids.push(await tsfpm.get('pid.php'));
  const [first, , , second, , , third] = pids;
  assert.deepEqual(pids, [first, first, first, second, second, second, third]);
  assert.equal(new Set(pids).size, 3);
  await tsfpm.expectLog(
    new RegExp(
      `NOTICE: \\[pool www\\] child ${first} exited with code 0 after [0-9]+\\.[0-9]{6} seconds from start`,
    ),
  );
  await tsfpm.expectLog(new RegExp(`NOTICE: \\[pool www\\] child ${second} started`));
});

test('without pm.max_requests one worker serves more than the 500 requests of php-cgi', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1 } },
    files: { 'pid.php': PID_PHP },
  });
  const pids = new Set<string>();
  for (let i = 0; i < 520; i++) pids.add(await tsfpm.get('pid.php'));
  assert.equal(pids.size, 1);
});

test('a worker killed by SIGSEGV is logged and replaced, and the others go on', async (t) => {
  const tsfpm = await startTsfpm(t, {
    files: { 'die.php': '<?php posix_kill(getmypid(), SIGSEGV); sleep(5);', 'pid.php': PID_PHP },
  });
  const before = tsfpm.workers();
  await assert.rejects(tsfpm.request('die.php'), /connection closed/);
  const [, died] = await tsfpm.expectLog(
    /WARNING: \[pool www\] child ([0-9]+) exited on signal 11 \(SIGSEGV(?: - core dumped)?\) after/,
  );
  assert.ok(before.includes(Number(died)));
  await tsfpm.expectLog(/NOTICE: \[pool www\] child [0-9]+ started/);
  await tsfpm.untilWorkers(2);
  assert.ok(before.some((pid) => tsfpm.workers().includes(pid)));
  await tsfpm.get('pid.php');
});

test('a worker killed from outside is replaced', async (t) => {
  const tsfpm = await startTsfpm(t);
  const [victim = 0] = tsfpm.workers();
  process.kill(victim, 'SIGKILL');
  await tsfpm.expectLog(
    new RegExp(`WARNING: \\[pool www\\] child ${victim} exited on signal 9 \\(SIGKILL\\) after`),
  );
  await until('another worker', () => !tsfpm.workers().includes(victim) && tsfpm.workers().length === 2);
});

test('a crash storm does not stop a pool from serving', async (t) => {
  const tsfpm = await startTsfpm(t, {
    files: { 'die.php': '<?php posix_kill(getmypid(), SIGKILL); sleep(5);', 'pid.php': PID_PHP },
  });
  tsfpm.announce(/exited on signal 9/);
  for (let i = 0; i < 10; i++) await assert.rejects(tsfpm.request('die.php'), /connection closed/);
  await tsfpm.get('pid.php');
  await tsfpm.untilWorkers(2);
});

test('workers whose folder vanished are replaced with back-off, told why, and serve again once it is back', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: { chdir: '{folder}/www/home', 'pm.max_children': 1, 'pm.max_requests': 1 },
      shop: { 'pm.max_children': 1 },
    },
    files: { 'pid.php': PID_PHP, 'home/kept.php': '' },
  });
  const folder = tsfpm.folder.script('home');
  tsfpm.announce(/exited with code 70/, /children end as soon as they start/);
  renameSync(folder, `${folder}-gone`);
  await tsfpm.get('pid.php'); // the worker's last
  await tsfpm.expectLog(/failed to chdir\(.*\): No such file or directory \(2\)/);
  await tsfpm.expectLog(/child failed to initialize/);
  await tsfpm.expectLog(/WARNING: \[pool www\] child [0-9]+ exited with code 70/);
  await sleep(1500);
  const forks = tsfpm.log.text.match(/child failed to initialize/g)?.length ?? 0;
  assert.ok(forks >= 3 && forks <= 8, `${forks} forks in the first 1.5 s`);
  await tsfpm.get('pid.php', { pool: 'shop' });
  renameSync(`${folder}-gone`, folder);
  await tsfpm.get('pid.php');
  await tsfpm.untilWorkers(1);
});

test('process.max bounds the workers of all pools together and warns once', async (t) => {
  const tsfpm = await startTsfpm(t, {
    global: { 'process.max': 3 },
    pools: { www: {}, shop: {} },
    files: { 'pid.php': PID_PHP },
  });
  await tsfpm.expectLog(
    /WARNING: The maximum number of processes has been reached\. Please review your configuration and consider raising 'process\.max'/,
  );
  assert.equal(tsfpm.workers('www').length + tsfpm.workers('shop').length, 3);
  for (const pool of ['www', 'shop']) await tsfpm.get('pid.php', { pool });
  assert.equal(tsfpm.log.text.match(/maximum number of processes/g)?.length, 1);
});

test('workers of one pool share what opcache has compiled', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 3, 'php_admin_value[opcache.enable]': 1 } },
    files: {
      'hits.php': `<?php $o = opcache_get_status();
        usleep(20000);
        echo json_encode([getmypid(), $o['scripts'][__FILE__]['hits'] ?? null, $o['opcache_statistics']['misses']]);`,
    },
  });
  const answers: [number, number | null, number][] = [];
  for (let i = 0; i < 6; i++)
    answers.push(
      ...(await Promise.all([1, 2, 3].map(() => tsfpm.getJson<[number, number | null, number]>('hits.php')))),
    );
  assert.equal(new Set(answers.map(([pid]) => pid)).size, 3);
  assert.ok((answers.at(-1)?.[1] ?? 0) >= 12, JSON.stringify(answers));
  // Not one compilation for each worker: at most those that met while the first was at it.
  assert.ok((answers.at(-1)?.[2] ?? 99) <= 3, JSON.stringify(answers));
});

test('exit(3) in a script and fatal errors do not change how a worker ends', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'pm.max_requests': 3 } },
    files: { 'exit.php': '<?php echo getmypid(); exit(3);', 'fatal.php': '<?php undefined_function();' },
  });
  const pid = await tsfpm.get('exit.php');
  assert.equal((await tsfpm.request('fatal.php')).status, 500);
  await tsfpm.get('exit.php');
  await tsfpm.expectLog(new RegExp(`NOTICE: \\[pool www\\] child ${pid} exited with code 0 after`));
});

test('programs that scripts start work, and a forked child of a script does not pose as the worker', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1 } },
    files: {
      'open.php': `<?php
        $p = proc_open(['sh', '-c', 'read x; echo got $x; exit 5'], [['pipe', 'r'], ['pipe', 'w']], $pipes);
        fwrite($pipes[0], "this\\n");
        echo json_encode([stream_get_contents($pipes[1]), proc_close($p), getmypid()]);`,
      'fork.php': `<?php
        $pid = pcntl_fork();
        if ($pid === 0) { posix_kill(getmypid(), SIGKILL); }
        pcntl_waitpid($pid, $status);
        echo json_encode([pcntl_wtermsig($status), getmypid()]);`,
    },
  });
  const [output, code, pid] = await tsfpm.getJson<[string, number, number]>('open.php');
  assert.deepEqual([output, code], ['got this\n', 5]);
  assert.deepEqual(await tsfpm.getJson('fork.php'), [9, pid]);
  assert.deepEqual(await tsfpm.getJson('open.php'), ['got this\n', 5, pid]);
});

test('a worker has only the descriptors that it needs, and none of them lead to other processes', async (t) => {
  const tsfpm = await startTsfpm(t, {
    files: {
      'fds.php': `<?php
        $own = []; foreach (scandir('/proc/self/fd') as $fd) if (is_numeric($fd)) $own[$fd] = @readlink("/proc/self/fd/$fd");
        echo json_encode([$own, shell_exec('ls -l /proc/$$/fd; true')]);`,
    },
  });
  const [own, shell] = await tsfpm.getJson<[Record<string, string | false>, string]>('fds.php');
  const script = tsfpm.folder.script('fds.php');
  const kinds = Object.entries(own)
    // false: scandir's own, closed by the time it is looked at
    .filter(([, target]) => target !== false && target !== script)
    .map(([, target]) => String(target).replace(/\[.*|.*(?=\.ZendSem)|\/memfd:/, ''))
    .sort();
  // /dev/null, stdout and stderr, three sockets (where it listens, its client, its zygote), and opcache's lock file.
  assert.deepEqual(
    kinds.filter((kind) => !/ZendSem|opcache_lock/.test(kind)),
    ['/dev/null', 'pipe:', 'pipe:', 'socket:', 'socket:', 'socket:'],
    JSON.stringify(own),
  );
  const inherited = [...shell.matchAll(/ ([0-9]+) -> (.*)$/gm)]
    .map(([, fd, target]) => ({ fd: Number(fd), target }))
    // PHP's own handle on the script is not ours to close.
    .filter(({ fd, target }) => fd > 2 && target !== script);
  assert.deepEqual(inherited, [], shell);
});

test('the zygote and workers do not hold descriptors of the master or of other pools', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: {}, shop: {} } });
  const zygote = tsfpm.zygote('www');
  assert.ok(zygote !== undefined);
  const masters = new Set(
    [...descriptorsOf(tsfpm.pid).values()].filter((target) => target.startsWith('socket:')),
  );
  const shared = (pid: number) => [...descriptorsOf(pid).values()].filter((target) => masters.has(target));
  // One: the pool's own listening socket.
  assert.equal(new Set(shared(zygote)).size, 1);
  for (const pool of ['www', 'shop'])
    for (const pid of tsfpm.workers(pool)) assert.equal(new Set(shared(pid)).size, 1, `worker of ${pool}`);
});
