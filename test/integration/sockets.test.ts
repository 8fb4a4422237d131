import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { prepareFolder, runIn, startTsfpm } from '../helpers/daemon.js';
import { unlessRoot, WORKER_USER } from '../helpers/daemon-folder.js';
import { fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { freePort } from '../helpers/ports.js';
import { PID_PHP } from '../helpers/probes.js';

const files = { 'pid.php': PID_PHP };
const PID = /^[0-9]+$/;

/** Backlog of a listening TCP socket, as ss shows it. */
function backlogOf(port: number): number {
  const line = execFileSync('ss', ['-Hltn', `sport = :${port}`], { encoding: 'utf8' }).trim();
  return Number(line.split(/\s+/)[2]);
}

const somaxconn = () => Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));

test('a unix socket has its owner, group and mode, and is removed at the end', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'listen.owner': WORKER_USER, 'listen.group': 'daemon', 'listen.mode': '0620' } },
    files,
  });
  const file = tsfpm.folder.at('www.sock');
  const { uid, gid, mode } = statSync(file);
  const numberOf = (database: string, name: string) =>
    Number(execFileSync('getent', [database, name], { encoding: 'utf8' }).split(':')[2]);
  assert.deepEqual(
    [uid, gid, mode & 0o7777],
    [numberOf('passwd', WORKER_USER), numberOf('group', 'daemon'), 0o620],
  );
  assert.match(await tsfpm.get('pid.php'), PID);
  assert.deepEqual(await tsfpm.stop(), { code: 0, signal: null });
  assert.equal(existsSync(file), false);
});

test('a stale socket and a plain file of that name are replaced', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  tsfpm.signal('SIGKILL');
  await tsfpm.ended();
  assert.ok(existsSync(tsfpm.folder.at('www.sock')));
  await tsfpm.start();
  assert.match(await tsfpm.get('pid.php'), PID);
  await tsfpm.stop();
  writeFileSync(tsfpm.folder.at('www.sock'), 'a file');
  await tsfpm.start();
  assert.match(await tsfpm.get('pid.php'), PID);
});

test('a live socket is refused in php-fpm’s words, and goes on working', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const second = await runIn(tsfpm.folder);
  assert.equal(second.code, 78);
  assert.match(
    second.stderr,
    new RegExp(`ERROR: Another FPM instance seems to already listen on ${tsfpm.folder.at('www.sock')}\\n`),
  );
  assert.match(second.stderr, /ERROR: FPM initialization failed\n$/);
  assert.match(await tsfpm.get('pid.php'), PID);
  assert.equal(readFileSync(tsfpm.folder.at('tsfpm.pid'), 'utf8'), String(tsfpm.pid));
});

test('a port that is taken is refused in php-fpm’s words', async (t) => {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, { pools: { www: { listen: `127.0.0.1:${port}` } }, files });
  const second = await runIn(tsfpm.folder);
  assert.equal(second.code, 78);
  assert.ok(
    second.stderr.includes(
      `ERROR: unable to bind listening socket for address '127.0.0.1:${port}': Address already in use (98)`,
    ),
    second.stderr,
  );
  assert.match(await tsfpm.get('pid.php'), PID);
});

for (const [name, host, clients] of [
  ['an IPv4 address', '127.0.0.1:', ['127.0.0.1']],
  ['an IPv6 address', '[::1]:', ['::1']],
  ['a port alone', '', ['127.0.0.1', '::1']],
  ['a name', 'localhost:', ['localhost']],
] as const)
  test(`${name} is listened on`, async (t) => {
    const port = await freePort();
    const tsfpm = await startTsfpm(t, { pools: { www: { listen: `${host}${port}` } }, files });
    tsfpm.announce(/Found multiple addresses for localhost/);
    for (const client of clients) {
      const params = scriptParams(tsfpm.folder.script('pid.php'));
      const { body } = await fcgiRequest({ host: client, port }, { params });
      assert.match(body.toString(), PID, client);
    }
  });

test('several pools listen on sockets of their own, and each answers with its own workers', async (t) => {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, {
    pools: { www: {}, shop: { listen: `127.0.0.1:${port}` }, blog: {} },
    files,
  });
  for (const pool of ['www', 'shop', 'blog'])
    assert.ok(tsfpm.workers(pool).includes(Number(await tsfpm.get('pid.php', { pool }))), pool);
});

test('listen.backlog bounds the queue, by default at the kernel’s own bound', async (t) => {
  const [small, usual] = [await freePort(), await freePort()];
  await startTsfpm(t, {
    pools: {
      www: { listen: `127.0.0.1:${small}`, 'listen.backlog': 7 },
      shop: { listen: `127.0.0.1:${usual}`, 'listen.backlog': -1 },
    },
  });
  assert.deepEqual([backlogOf(small), backlogOf(usual)], [7, somaxconn()]);
});

test('a folder that is missing or closed to us is told, and earlier sockets are removed', async (t) => {
  const folder = prepareFolder(t, { pools: { www: {}, shop: { listen: '{folder}/missing/s.sock' } } });
  const run = await runIn(folder);
  assert.equal(run.code, 78);
  assert.match(
    run.stderr,
    /unable to bind listening socket for address '.*\/missing\/s\.sock': No such file or directory \(2\)/,
  );
  assert.equal(existsSync(folder.at('www.sock')), false);
});

test('two pools on one address are refused', async (t) => {
  const folder = prepareFolder(t, { pools: { www: {}, shop: { listen: '{folder}/www.sock' } } });
  const run = await runIn(folder);
  assert.equal(run.code, 78);
  assert.match(
    run.stderr,
    /\[pool shop\] unable to set listen address as it's already used in another pool 'www'/,
  );
});

test('a client that may not write to the socket is refused by the kernel', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'listen.mode': '0600' } }, files });
  const probe = `process.setgid(65534); process.setuid(65534);
    require('node:net').connect(process.argv[1]).on('error', (e) => console.log(e.code)).on('connect', () => process.exit(1))`;
  const answer = execFileSync(process.execPath, ['-e', probe, tsfpm.folder.at('www.sock')], {
    encoding: 'utf8',
  });
  assert.equal(answer.trim(), 'EACCES');
});
