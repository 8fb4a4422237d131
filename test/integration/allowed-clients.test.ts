import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { FpmAlike } from '../helpers/fpm-alike.js';
import { freePort } from '../helpers/ports.js';
import type { TextWatch } from '../helpers/text-watch.js';

const files = { 'ok.php': '<?php echo "ok";' };
const NOBODY = /There are no allowed addresses/;

async function start(t: TestContext, allowed: string | undefined, host = ''): Promise<[Daemon, number]> {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, {
    pools: { www: { listen: `${host}${port}`, 'listen.allowed_clients': allowed, 'pm.max_children': 1 } },
    files,
  });
  return [tsfpm, port];
}

const ask = async (tsfpm: Daemon, host: string, port: number) =>
  (
    await fcgiRequest({ host, port }, { params: scriptParams(tsfpm.folder.script('ok.php')) })
  ).body.toString();

async function isRefused(host: string, port: number): Promise<boolean> {
  const connection = await FastcgiConnection.open({ host, port });
  const start = performance.now();
  await connection.closed;
  return performance.now() - start < 2000;
}

test('who is in the list is served, an IPv4 client also by a socket for both families', async (t) => {
  const [tsfpm, port] = await start(t, '"10.9.8.7,127.0.0.1,::1"', '[::]:');
  assert.equal(await ask(tsfpm, '127.0.0.1', port), 'ok');
  assert.equal(await ask(tsfpm, '::1', port), 'ok');
});

test('who is not is dropped with a line in the log, and the worker goes on', async (t) => {
  const [tsfpm, port] = await start(t, '"127.0.0.2,::2"', '[::]:');
  const workers = tsfpm.workers();
  assert.ok(await isRefused('127.0.0.1', port));
  // In the same /96 as ::2.
  assert.ok(await isRefused('::1', port));
  assert.deepEqual(tsfpm.workers(), workers);
});

test('wrong entries are told and left out; blanks make an address wrong', async (t) => {
  const port = await freePort();
  const tsfpm = await startTsfpm(t, {
    pools: { www: { listen: port, 'listen.allowed_clients': '"127.0.0.1, ::1,any"' } },
    files,
  });
  tsfpm.announce(/Wrong IP address 'any'/);
  // A worker's own words travel by a pipe of their own: they may come after "ready to handle connections".
  await tsfpm.expectLog(/Wrong IP address ' ::1' in listen.allowed_clients/);
  assert.equal(await ask(tsfpm, '127.0.0.1', port), 'ok');
});

for (const list of ['', 'any', '"127.0.0.0/8"'])
  test(`a list without an address lets nobody in: [${list}]`, async (t) => {
    const [tsfpm, port] = await start(t, list);
    tsfpm.announce(/Wrong IP address/);
    await tsfpm.expectLog(NOBODY);
    assert.ok(await isRefused('127.0.0.1', port));
  });

for (const list of ['any,one', '10.9.8.7,any', '10.9.8.7, ::1,,', ''])
  test(`each child tells of a list with mistakes, and of whom it drops, as php-fpm's does: [${list}]`, {
    skip: unlessPhpFpm,
  }, async (t) => {
    const [ours, theirs] = [await freePort(), await freePort()];
    const www = {
      listen: `127.0.0.1:${ours}`,
      'listen.allowed_clients': `"${list}"`,
      'pm.max_children': 1,
      decorate_workers_output: 'yes',
    };
    const tsfpm = await startTsfpm(t, { arguments: [], logTo: 'file', pools: { www } });
    tsfpm.announce(/said into stderr: "ERROR: /);
    const fpm = new FpmAlike(tsfpm.folder, { [`127.0.0.1:${ours}`]: `127.0.0.1:${theirs}` });
    await fpm.start(t);
    const told = async (port: number, log: TextWatch) => {
      assert.ok(await isRefused('127.0.0.1', port));
      await log.expect(/has been dropped/);
      return fpm.inCommon(log.text).match(/WARNING: .*/g);
    };
    assert.deepEqual(await told(ours, tsfpm.log), await told(theirs, fpm.log));
  });

test('where what children say is not kept, the mistakes are told once for all of them', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        listen: await freePort(),
        'listen.allowed_clients': 'any',
        'pm.max_children': 3,
        catch_workers_output: 'no',
      },
    },
  });
  await tsfpm.expectLog(
    /WARNING: \[pool www\] php-cgi: ERROR: Wrong IP address 'any' in listen\.allowed_clients/,
  );
  await tsfpm.expectLog(/WARNING: \[pool www\] php-cgi: ERROR: There are no allowed addresses/);
  assert.equal(tsfpm.log.text.match(/no allowed addresses/g)?.length, 1);
});

test('clients of a unix socket are not looked at', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'listen.allowed_clients': '10.0.0.1' } }, files });
  assert.equal(await tsfpm.get('ok.php'), 'ok');
});
