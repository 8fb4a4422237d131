import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import type { ListenRequest, ListenSocket } from '../../../src/listen/bind.js';
import { ListenSockets } from '../../../src/listen/listen-sockets.js';
import { LOG_LEVELS, type Logger } from '../../../src/log/levels.js';
import { listenQueue } from '../../../src/os/listen-queue.js';

const folder = mkdtempSync(join(tmpdir(), 'tsfpm-listen-'));
const isRoot = process.geteuid?.() === 0;
const lines: string[] = [];
const log = Object.fromEntries(
  LOG_LEVELS.map((level) => [level, (message: string) => lines.push(`${level}: ${message}`)]),
) as unknown as Logger;
const sockets = new ListenSockets(log);

afterEach(() => {
  sockets.closeAll();
  lines.length = 0;
});
after(() => rmSync(folder, { recursive: true }));

function bind(listen: string, more: Partial<ListenRequest> = {}): ListenSocket {
  return sockets.bind({ pool: 'www', listen, backlog: -1, mode: 0o660, ...more });
}

const path = (name: string) => join(folder, name);
const modeOf = (file: string) => statSync(file).mode & 0o7777;

function portOf(socket: ListenSocket): number {
  assert.notEqual(socket.address.family, 'unix');
  return 'port' in socket.address ? socket.address.port : 0;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function serverOn(target: string): Promise<Server> {
  const server = createServer().listen(target);
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
}

test('a unix socket listens with its mode, and its file goes with it', () => {
  const umask = process.umask();
  const socket = bind(path('mode.sock'), { mode: 0o600, backlog: 7 });
  assert.equal(modeOf(path('mode.sock')), 0o600);
  assert.deepEqual(listenQueue(socket.fd), { length: 0, limit: 7 });
  assert.equal(process.umask(), umask);
  sockets.close(socket);
  sockets.close(socket);
  assert.equal(existsSync(path('mode.sock')), false);
});

for (const mode of [0o000, 0o666, 0o777, 0o660]) {
  test(`mode ${mode.toString(8)} is taken whatever the umask`, () => {
    const before = process.umask(0o077);
    try {
      bind(path('umask.sock'), { mode });
    } finally {
      process.umask(before);
    }
    assert.equal(modeOf(path('umask.sock')), mode);
  });
}

test('a unix socket gets its owner and its group, each alone too', { skip: !isRoot && 'needs root' }, () => {
  bind(path('owner.sock'), { rights: { uid: 33, gid: 34 } });
  bind(path('user.sock'), { rights: { uid: 33 } });
  bind(path('group.sock'), { rights: { gid: 34 } });
  const owners = ['owner', 'user', 'group'].map((name) => {
    const { uid, gid } = statSync(path(`${name}.sock`));
    return [uid, gid];
  });
  const { gid } = statSync(folder);
  assert.deepEqual(owners, [
    [33, 34],
    [33, gid],
    [0, 34],
  ]);
});

test('a stale file is replaced, a plain one too', () => {
  writeFileSync(path('stale.sock'), 'x');
  bind(path('stale.sock'));
  assert.ok(statSync(path('stale.sock')).isSocket());
});

test('a link is replaced and not followed', () => {
  writeFileSync(path('target'), 'x');
  symlinkSync(path('target'), path('link.sock'));
  bind(path('link.sock'));
  assert.ok(statSync(path('link.sock')).isSocket());
  assert.ok(statSync(path('target')).isFile());
});

test('a live socket of another process is refused and left alone', async () => {
  const server = await serverOn(path('live.sock'));
  assert.throws(() => bind(path('live.sock')), {
    name: 'ListenError',
    message: `Another FPM instance seems to already listen on ${path('live.sock')}`,
  });
  assert.ok(existsSync(path('live.sock')));
  server.close();
});

test('a file that took the place of ours stays at the end', () => {
  const socket = bind(path('taken.sock'));
  renameSync(path('taken.sock'), path('moved.sock'));
  writeFileSync(path('taken.sock'), 'not ours');
  sockets.close(socket);
  assert.ok(existsSync(path('taken.sock')));
});

test('a path that the kernel would cut is an error', () => {
  const long = path('x'.repeat(100));
  assert.throws(() => bind(long), {
    message: `[pool www] the listen path '${long}' has ${long.length} bytes, a unix socket's path at most 107`,
  });
  const longest = path('x'.repeat(107 - folder.length - 1));
  bind(longest);
  assert.ok(existsSync(longest));
});

test('a folder that is missing is told', () => {
  assert.throws(() => bind(path('no/a.sock')), {
    message: `unable to bind listening socket for address '${path('no/a.sock')}': No such file or directory (2)`,
  });
});

test('a host and port are bound, a second pool on them is refused', async () => {
  const port = await freePort();
  const socket = bind(`127.0.0.1:${port}`);
  assert.deepEqual(socket.address, { family: 'ipv4', host: '127.0.0.1', port });
  const refusal = {
    name: 'ListenError',
    message: "[pool shop] unable to set listen address as it's already used in another pool 'www'",
  };
  assert.throws(() => bind(`127.0.0.1:${port}`, { pool: 'shop' }), refusal);
  assert.throws(() => bind(`127.1:${port}`, { pool: 'shop' }), refusal);
  assert.throws(() => bind(String(port), { pool: 'shop' }), {
    message: `unable to bind listening socket for address '${port}': Address already in use (98)`,
  });
  assert.equal(lines.at(-1), 'notice: Failed implicitly binding to ::, retrying with 0.0.0.0');
  assert.equal(sockets.byListen(`127.0.0.1:${port}`), socket);
  assert.deepEqual(sockets.all(), [socket]);
});

test('one file under two spellings is one address', () => {
  bind(path('twice.sock'));
  assert.throws(() => bind(`${folder}//twice.sock`, { pool: 'shop' }), {
    message: "[pool shop] unable to set listen address as it's already used in another pool 'www'",
  });
});

test('a port alone is bound on all addresses', async () => {
  const socket = bind(String(await freePort()));
  assert.equal(socket.address.family, 'ipv6');
  assert.throws(() => bind(`[::]:${portOf(socket)}`, { pool: 'shop' }), /already used in another pool 'www'/);
});

test('further addresses of a name are told and left', async () => {
  // The resolver takes * for the loopback of both families.
  const port = await freePort();
  const socket = bind(`*:${port}`);
  assert.equal(portOf(socket), port);
  assert.match(lines.join('\n'), /^debug: Found address for \*, socket opened on \S+/);
  assert.match(lines.join('\n'), /warning: Found multiple addresses for \*, \S+ ignored$/);
});

test('names that do not resolve and ports that do not exist are told', () => {
  assert.throws(() => bind(':9000'), { message: 'getaddrinfo: Name or service not known' });
  assert.throws(() => bind('localhost:70000'), { message: "invalid port value '70000'" });
});

test('a failed step leaves no descriptor and no file', () => {
  const probe = bind(path('probe.sock'));
  sockets.close(probe);
  assert.throws(() => bind(path('no/a.sock')));
  assert.throws(() => bind('192.0.2.1:9000'), /Cannot assign requested address \(99\)$/);
  assert.equal(bind(path('probe.sock')).fd, probe.fd);
});
