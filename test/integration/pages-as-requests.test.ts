import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import {
  FCGI_END_REQUEST,
  FCGI_KEEP_CONN,
  FCGI_PARAMS,
  FCGI_RESPONDER,
  FCGI_STDIN,
} from '../../src/fastcgi/constants.js';
import { encodeBeginRequest, encodeParams, encodeStreamEnd } from '../../src/fastcgi/encode.js';
import { unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { FastcgiConnection, fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { FpmAlike } from '../helpers/fpm-alike.js';
import { PARAM_ENDS, paramsWithEnd } from '../helpers/param-records.js';
import { PID_PHP } from '../helpers/probes.js';
import { openConnection } from '../helpers/two-pools.js';
import { sleep, until } from '../helpers/wait.js';

// Requests that run no script are requests all the same.

const PAGES: Settings = {
  'pm.max_children': 1,
  'pm.status_path': '/status',
  'ping.path': '/ping',
  'pm.status_listen': '{folder}/status.sock',
  'listen.mode': '0666',
};
const files = { 'pid.php': PID_PHP, 'text.txt': 'no script' };

interface Both {
  readonly tsfpm: Daemon;
  /** The folder of each, with sockets and logs; ours alone where there is no php-fpm to compare with. */
  readonly folders: readonly string[];
}

async function startBoth(t: TestContext, www: Settings): Promise<Both> {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...PAGES, ...www } }, files });
  if (unlessPhpFpm) return { tsfpm, folders: [tsfpm.folder.path] };
  const fpm = new FpmAlike(tsfpm.folder);
  await fpm.start(t);
  return { tsfpm, folders: [tsfpm.folder.path, fpm.path] };
}

async function ask(folder: string, tsfpm: Daemon, name: string, socket = 'www.sock'): Promise<string> {
  const params = scriptParams(tsfpm.folder.script(name), {
    SCRIPT_NAME: `/${name}`,
    ...(socket === 'www.sock' ? {} : { QUERY_STRING: 'full' }),
  });
  return (await fcgiRequest(`${folder}/${socket}`, { params })).body.toString();
}

/** What the full status says of the worker, which has been idle since. */
async function shownScript(folder: string, tsfpm: Daemon): Promise<string | undefined> {
  return until('the worker is idle', async () => {
    const page = await ask(folder, tsfpm, 'status', 'status.sock');
    return /^state: +Idle$/m.test(page) && /^script: +(.*)$/m.exec(page)?.[1];
  });
}

test('the full status shows the script of a request, and - for a page and for one that is not there', async (t) => {
  const { tsfpm, folders } = await startBoth(t, {});
  const names = [
    'pid.php',
    'ping',
    'text.txt',
    'missing.php',
    'pid.php',
    'status',
    'missing.php/info',
    'pid.php',
  ];
  const shown = folders.map(async (folder) => {
    const scripts: (string | undefined)[] = [];
    for (const name of names) {
      await ask(folder, tsfpm, name);
      scripts.push(await shownScript(folder, tsfpm));
    }
    return scripts;
  });
  const [script, text] = [tsfpm.folder.script('pid.php'), tsfpm.folder.script('text.txt')];
  for (const scripts of await Promise.all(shown))
    assert.deepEqual(scripts, [script, '-', text, '-', script, '-', '-', script]);
});

for (const [what, names] of [
  ['pings', ['ping']],
  ['status pages', ['status']],
  ['scripts that are not there', ['missing.php']],
  ['scripts, with pages between them', ['ping', 'pid.php', 'status', 'missing.php', 'pid.php']],
] as const)
  test(`pm.max_requests counts ${what}, as php-fpm does`, async (t) => {
    const { tsfpm, folders } = await startBoth(t, {
      'pm.max_requests': 3,
      'access.log': '{folder}/access.log',
      'access.format': '%p',
    });
    const served = folders.map(async (folder) => {
      for (let i = 0; i < 8; i++) await ask(folder, tsfpm, names[i % names.length] ?? '');
      const log = () => readFileSync(`${folder}/access.log`, 'utf8').trim().split('\n');
      await until('the log has them all', () => log().length === 8);
      return runLengths(log());
    });
    for (const lengths of await Promise.all(served)) assert.deepEqual(lengths, [3, 3, 2]);
  });

function runLengths(values: readonly string[]): number[] {
  const lengths: number[] = [];
  for (const [i, value] of values.entries())
    if (value === values[i - 1]) lengths.push((lengths.pop() ?? 0) + 1);
    else lengths.push(1);
  return lengths;
}

/** It starts with a pool's first kept connection. */
function keeperOf(tsfpm: Daemon): Promise<unknown> {
  return until('there is a keeper', () => tsfpm.family().some(({ title }) => title === 'tsfpm: keeper www'));
}

test('a kept connection outlives the last request that its worker may have, where under php-fpm it ends', async (t) => {
  const { tsfpm, folders } = await startBoth(t, { 'pm.max_requests': 3 });
  for (const last of ['ping', 'pid.php'])
    for (const folder of folders) {
      const connection = await FastcgiConnection.open(`${folder}/www.sock`);
      t.after(() => connection.close());
      const ask = async (name: string) => {
        const params = scriptParams(tsfpm.folder.script(name), { SCRIPT_NAME: `/${name}` });
        assert.equal((await connection.request({ params, keepConn: true })).status, 200);
      };
      await ask('ping');
      await keeperOf(tsfpm);
      for (const name of ['ping', last]) await ask(name);
      if (folder === folders[0]) await ask('pid.php');
      else await connection.closed;
    }
});

test('a client whose request ends after its page was answered keeps its connection when the worker leaves', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { ...PAGES, 'pm.max_requests': 2 } }, files });
  const connection = await openConnection(t, tsfpm.address());
  const params = scriptParams(tsfpm.folder.script('ping'), { SCRIPT_NAME: '/ping' });
  for (let i = 0; i < 6; i++) {
    connection.send(
      Buffer.concat([
        encodeBeginRequest(1, { role: FCGI_RESPONDER, flags: FCGI_KEEP_CONN }),
        encodeParams(1, Object.entries(params)),
      ]),
    );
    while ((await connection.nextRecord())?.type !== FCGI_END_REQUEST);
    if (i === 0) await keeperOf(tsfpm);
    await sleep(50); // the worker that is to leave finds nothing of it yet
    connection.send(encodeStreamEnd(FCGI_STDIN, 1));
  }
});

test('a page is answered where PHP takes the params of its request, and there alone', async (t) => {
  const { tsfpm, folders } = await startBoth(t, {});
  for (const name of ['ping', 'pid.php'])
    for (const [end, records] of Object.entries(PARAM_ENDS))
      for (const folder of folders) {
        const connection = await FastcgiConnection.open(`${folder}/www.sock`);
        t.after(() => connection.close());
        const params = scriptParams(tsfpm.folder.script(name), { SCRIPT_NAME: `/${name}` });
        connection.send(
          Buffer.concat([
            encodeBeginRequest(1, { role: FCGI_RESPONDER, flags: 0 }),
            paramsWithEnd(params, records),
            encodeStreamEnd(FCGI_PARAMS, 1),
            encodeStreamEnd(FCGI_STDIN, 1),
          ]),
        );
        const answer = await connection.nextRecord();
        assert.equal(answer !== undefined, records.isTaken, `${folder}: ${name} with ${end}`);
      }
});
