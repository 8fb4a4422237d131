import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bindSocket, listenOnSocket, openStreamSocket } from '../../../src/os/socket.js';
import { passedDescriptors } from '../../../src/systemd/activation.js';

const CASES: readonly [what: string, variables: object, expected: object[]][] = [
  ['nothing where nothing is said', {}, []],
  ['nothing that is meant for another process', { LISTEN_PID: '78', LISTEN_FDS: '1' }, []],
  ['nothing without a process', { LISTEN_FDS: '1' }, []],
  ['nothing for a number that is none', { LISTEN_PID: '77', LISTEN_FDS: '-1' }, []],
  [
    'descriptors from 3 on',
    { LISTEN_PID: '77', LISTEN_FDS: '2' },
    [
      { fd: 3, name: 'unknown' },
      { fd: 4, name: 'unknown' },
    ],
  ],
  [
    'names in their order',
    { LISTEN_PID: '77', LISTEN_FDS: '3', LISTEN_FDNAMES: 'www::shop:more' },
    [
      { fd: 3, name: 'www' },
      { fd: 4, name: 'unknown' },
      { fd: 5, name: 'shop' },
    ],
  ],
];

for (const [what, variables, expected] of CASES) {
  test(`is passed ${what}`, () => assert.deepEqual(passedDescriptors(variables, 77), expected));
}

test('a wrong number is not believed', () => {
  assert.equal(passedDescriptors({ LISTEN_PID: '77', LISTEN_FDS: '999999999' }, 77).length, 4096);
});

const MODULE = new URL('../../../src/systemd/activation.js', import.meta.url).href;

/** What the started service does: takes its sockets, and says what is left for its children. */
const SERVICE = `
  const { takeActivation } = await import(${JSON.stringify(MODULE)});
  const taken = takeActivation(process.env, process.pid);
  const left = Object.keys(process.env).filter((name) => name.startsWith('LISTEN_'));
  const { readFileSync } = await import('node:fs');
  const flags = (fd) => Number.parseInt(/flags:\\s*([0-7]+)/.exec(readFileSync('/proc/self/fdinfo/' + fd, 'latin1'))[1], 8);
  const closedOnExec = [3, 4, 5].filter((fd) => (flags(fd) & 0o2000000) !== 0);
  console.log(JSON.stringify({ taken, left, closedOnExec }));
`;
/** The pid is known between fork and exec only: the shell sets it, as systemd does. */
const START = 'LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=www:idle:file exec "$0" --input-type=module -e "$1"';

test('takes real sockets, and keeps them from its children', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-activation-'));
  const path = join(folder, 'www.sock');
  const listening = openStreamSocket('unix');
  bindSocket(listening, { family: 'unix', path });
  listenOnSocket(listening, 5);
  const idle = openStreamSocket('unix');
  const file = openSync('/dev/null', 'r');
  t.after(() => {
    for (const fd of [listening, idle, file]) closeSync(fd);
    rmSync(folder, { recursive: true, force: true });
  });
  const { stdout, stderr } = spawnSync('/bin/sh', ['-c', START, process.execPath, SERVICE], {
    stdio: ['ignore', 'pipe', 'pipe', listening, idle, file],
    encoding: 'utf8',
    timeout: 20_000,
  });
  assert.deepEqual(
    [stderr, JSON.parse(stdout)],
    [
      '',
      {
        taken: {
          sockets: [{ fd: 3, name: 'www', address: { family: 'unix', path } }],
          unusable: [
            { fd: 4, name: 'idle', reason: 'it is no listening stream socket' },
            { fd: 5, name: 'file', reason: 'it is no socket' },
          ],
        },
        left: [],
        closedOnExec: [3, 4, 5],
      },
    ],
  );
});
