import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FCGI_KEEP_CONN, FCGI_RESPONDER, FCGI_STDIN } from '../../src/fastcgi/constants.js';
import { encodeBeginRequest, encodeParams, encodeStreamEnd } from '../../src/fastcgi/encode.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FastcgiConnection, scriptParams } from '../helpers/fastcgi-client.js';
import { phpVersion } from '../helpers/php-programs.js';
import { sleep, until } from '../helpers/wait.js';

/** Says what the calls return, in a file: the client does not hear of it any more. */
const files = {
  'finish.php': `<?php
    header('X-Early: yes'); http_response_code(201); ob_start(); echo 'answer';
    $said = [fastcgi_finish_request()];
    echo str_repeat('lost', 20000); flush(); header('X-Late: yes');
    $said[] = fastcgi_finish_request();
    error_log('a message that nobody gets');
    usleep(1000 * (int) ($_GET['ms'] ?? 300));
    $said[] = connection_status(); $said[] = connection_aborted();
    file_put_contents(__DIR__ . '/../marks/' . ($_GET['mark'] ?? 'mark'), json_encode($said));`,
  'plain.php': '<?php echo "plain ", microtime(true);',
  'arguments.php':
    '<?php try { fastcgi_finish_request(1); } catch (ArgumentCountError $e) { echo $e->getMessage(); }',
  'status.php': '<?php echo json_encode(array_column(fpm_get_status()["procs"], "state"));',
  'shutdown.php': `<?php register_shutdown_function(function () { echo 'late'; var_dump(fastcgi_finish_request());
    file_put_contents(__DIR__ . '/../marks/shutdown', 'ran'); echo 'lost'; });`,
  'body.php': `<?php fastcgi_finish_request();
    file_put_contents(__DIR__ . '/../marks/body', strlen(file_get_contents('php://input')));`,
  'empty.php': '<?php fastcgi_finish_request();',
};

const said = (tsfpm: Daemon, mark = 'mark') =>
  until(`the script has left ${mark}`, () => {
    const path = tsfpm.folder.at(`marks/${mark}`);
    return existsSync(path) && readFileSync(path, 'utf8');
  });

const requestBytes = (tsfpm: Daemon, script: string, flags: number) =>
  Buffer.concat([
    encodeBeginRequest(1, { role: FCGI_RESPONDER, flags }),
    encodeParams(1, Object.entries(scriptParams(tsfpm.folder.script(script), { QUERY_STRING: 'ms=400' }))),
    encodeStreamEnd(FCGI_STDIN, 1),
  ]);

test('the client has its whole answer while the script goes on, and no byte of what comes later', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  const connection = await FastcgiConnection.open(tsfpm.address());
  const start = performance.now();
  connection.send(requestBytes(tsfpm, 'finish.php', 0));
  await connection.closed;
  assert.ok(performance.now() - start < 300, 'closed long before the script ends');
  connection.close();
  const response = await tsfpm.request('finish.php', { params: { QUERY_STRING: 'ms=1&mark=other' } });
  assert.deepEqual(
    [response.status, response.text, response.headers.get('x-early'), response.headers.get('x-late')],
    [201, 'answer', 'yes', null],
  );
  assert.equal(response.stderr, '');
  assert.deepEqual(response.endRequest, { appStatus: 0, protocolStatus: 0 });
  assert.equal(await said(tsfpm), '[true,false,0,0]');
});

test('work afterwards goes on when the client has left at once', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const connection = await FastcgiConnection.open(tsfpm.address());
  connection.send(requestBytes(tsfpm, 'finish.php', 0));
  await connection.nextRecord();
  connection.close();
  assert.equal(await said(tsfpm), '[true,false,0,0]');
  assert.match(await tsfpm.get('plain.php'), /^plain/);
});

test('on a kept connection every call is true, and the next request waits for the end of the script', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1 } }, files });
  const connection = await FastcgiConnection.open(tsfpm.address());
  const ask = (script: string) =>
    connection.request({
      params: scriptParams(tsfpm.folder.script(script), { QUERY_STRING: 'ms=400' }),
      keepConn: true,
    });
  const start = performance.now();
  const first = await ask('finish.php');
  const answered = performance.now() - start;
  const second = await ask('plain.php');
  const third = await ask('empty.php');
  connection.close();
  assert.ok(answered < 300, `answered after ${answered} ms`);
  assert.ok(performance.now() - start >= 390, 'the second request was served beside the first');
  assert.deepEqual([first.status, first.body.toString()], [201, 'answer']);
  assert.match(second.body.toString(), /^plain/);
  assert.deepEqual([third.status, third.body.length], [200, 0]);
  assert.equal(await said(tsfpm), '[true,true,0,0]');
});

for (const flags of [0, FCGI_KEEP_CONN])
  test(`the worker is shown as Finishing while the script goes on, flags ${flags}`, async (t) => {
    const tsfpm = await startTsfpm(t, { files });
    const connection = await FastcgiConnection.open(tsfpm.address());
    connection.send(requestBytes(tsfpm, 'finish.php', flags));
    await sleep(150);
    const states = await tsfpm.getJson<string[]>('status.php');
    connection.close();
    assert.deepEqual(states.sort(), ['Finishing', 'Running']);
    await said(tsfpm);
    await tsfpm.settle();
  });

test('arguments are refused, a shutdown function may call it, an unread body is read', async (t) => {
  const tsfpm = await startTsfpm(t, { files });
  assert.equal(
    await tsfpm.get('arguments.php'),
    // Before PHP 8 it was a warning.
    Number(phpVersion()) < 8 ? '' : 'fastcgi_finish_request() expects exactly 0 arguments, 1 given',
  );
  assert.equal((await tsfpm.request('shutdown.php')).text, 'late');
  await said(tsfpm, 'shutdown');
  const body = Buffer.alloc(300_000, 'x');
  assert.equal((await tsfpm.request('body.php', { body, params: { CONTENT_TYPE: 'text/plain' } })).text, '');
  assert.equal(await said(tsfpm, 'body'), String(body.length));
});
