import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { answer, startFpm, unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { isRoot, unlessRoot } from '../helpers/daemon-folder.js';
import { FastcgiConnection, fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';

const files = {
  'body.php': `<?php $input = file_get_contents('php://input');
    echo json_encode([strlen($input), md5($input), $_POST, array_map(fn($file) => [$file['name'], md5_file($file['tmp_name'])], $_FILES)]);`,
  'ignores.php': '<?php echo "ignored";',
};
const BODY = Buffer.from('0123456789'.repeat(5000));

function bodyParams(tsfpm: Daemon, file: string, more: Record<string, string> = {}, script = 'body.php') {
  return scriptParams(tsfpm.folder.script(script), {
    REQUEST_METHOD: 'POST',
    CONTENT_TYPE: 'text/plain',
    CONTENT_LENGTH: String(BODY.length),
    REQUEST_BODY_FILE: file,
    ...more,
  });
}

async function start(t: Parameters<typeof startTsfpm>[0], pool: Record<string, string | number> = {}) {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'pm.max_children': 1, ...pool } }, files });
  const put = (name: string, content: string | Uint8Array) => {
    const path = tsfpm.folder.at(`marks/${name}`);
    writeFileSync(path, content, { mode: 0o644 });
    return path;
  };
  return { tsfpm, put };
}

const MULTIPART = [
  '--frontier\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\nb\\r\\n',
  '--frontier\\r\\nContent-Disposition: form-data; name="f"; filename="f.bin"\\r\\n\\r\\n',
  `${'z'.repeat(300_000)}\\r\\n--frontier--\\r\\n`,
]
  .join('')
  .replaceAll('\\r\\n', '\r\n');

test('the body is what is in the file, as under php-fpm', async (t) => {
  const { tsfpm, put } = await start(t);
  const fpm = unlessPhpFpm ? undefined : await startFpm(t, tsfpm);
  const body = put('body', BODY);
  const form = put('form', 'a=1&b[]=2&b[]=3');
  const upload = put('upload', MULTIPART);
  const empty = put('empty', '');
  const link = tsfpm.folder.at('marks/link');
  symlinkSync(body, link);
  const multipart = { CONTENT_TYPE: 'multipart/form-data; boundary=frontier' };
  const cases: Record<string, Record<string, string>> = {
    'a plain body': bodyParams(tsfpm, body),
    'a symbolic link': bodyParams(tsfpm, link),
    'a CONTENT_LENGTH that cuts it': bodyParams(tsfpm, body, { CONTENT_LENGTH: '1234' }),
    'a CONTENT_LENGTH that is too long': bodyParams(tsfpm, body, { CONTENT_LENGTH: '60000' }),
    'a CONTENT_LENGTH of nothing': bodyParams(tsfpm, body, { CONTENT_LENGTH: '0' }),
    'a form': bodyParams(tsfpm, form, {
      CONTENT_TYPE: 'application/x-www-form-urlencoded',
      CONTENT_LENGTH: '15',
    }),
    'an upload': bodyParams(tsfpm, upload, { ...multipart, CONTENT_LENGTH: String(MULTIPART.length) }),
    'an empty file': bodyParams(tsfpm, empty),
    'no file': bodyParams(tsfpm, tsfpm.folder.at('marks/missing')),
    'a file that is not for the worker': bodyParams(tsfpm, '/etc/shadow'),
    'a name of nothing': bodyParams(tsfpm, '', { CONTENT_LENGTH: '0' }),
    'a script that ignores it': bodyParams(tsfpm, body, {}, 'ignores.php'),
  };
  if (!isRoot) delete cases['a file that is not for the worker'];
  for (const [what, params] of Object.entries(cases))
    for (const keepConn of [false, true]) {
      const ours = await answer(tsfpm.address(), params, { keepConn });
      if (what === 'a plain body') assert.match(ours.body, /^\[50000,/);
      if (what === 'an upload') assert.match(ours.body, /\["f.bin",/);
      if (what === 'no file')
        assert.match(ours.stderr, /REQUEST_BODY_FILE: open\('\S+'\) failed: No such file or directory \(2\)/);
      if (fpm !== undefined) assert.deepEqual(ours, await answer(fpm, params, { keepConn }), what);
    }
});

test('a negative CONTENT_LENGTH is none, where php-fpm reads all of the file', async (t) => {
  const { tsfpm, put } = await start(t);
  const params = bodyParams(tsfpm, put('body', BODY), { CONTENT_LENGTH: '-5' });
  const { body } = await fcgiRequest(tsfpm.address(), { params });
  assert.equal(JSON.parse(body.toString())[0], 0);
});

test('what the socket carries besides is not the body', async (t) => {
  const { tsfpm, put } = await start(t);
  const params = bodyParams(tsfpm, put('body', BODY));
  const { body } = await fcgiRequest(tsfpm.address(), { params, stdin: Buffer.from('from the socket') });
  assert.equal(JSON.parse(body.toString())[0], BODY.length);
});

test('pipes, folders and devices are refused, and keep no worker', async (t) => {
  const { tsfpm, put } = await start(t);
  const [pid] = tsfpm.workers();
  const pipe = tsfpm.folder.at('marks/pipe');
  assert.equal(spawnSync('mkfifo', ['-m', '666', pipe]).status, 0);
  for (const path of [pipe, '/dev/zero', '/dev/tty', '/tmp', tsfpm.folder.at('www.sock')]) {
    const { body, stderr } = await fcgiRequest(tsfpm.address(), {
      params: bodyParams(tsfpm, path),
      timeoutMs: 5000,
    });
    assert.equal(JSON.parse(body.toString())[0], 0, path);
    assert.match(stderr, /REQUEST_BODY_FILE: open\('\S+'\) failed: /, path);
  }
  const { body } = await fcgiRequest(tsfpm.address(), { params: bodyParams(tsfpm, put('body', BODY)) });
  assert.equal(JSON.parse(body.toString())[0], BODY.length);
  assert.deepEqual(tsfpm.workers(), [pid]);
});

test('a kept connection goes on, and an idle worker holds no file', async (t) => {
  const { tsfpm, put } = await start(t);
  const path = put('body', BODY);
  const connection = await FastcgiConnection.open(tsfpm.address());
  for (const file of [path, tsfpm.folder.at('marks/missing'), path]) {
    const { body } = await connection.request({ params: bodyParams(tsfpm, file), keepConn: true });
    assert.equal(JSON.parse(body.toString())[0], file === path ? BODY.length : 0);
  }
  const { body } = await connection.request({
    params: bodyParams(tsfpm, '', { CONTENT_LENGTH: '3' }),
    stdin: Buffer.from('abc'),
    keepConn: true,
  });
  assert.equal(JSON.parse(body.toString())[0], 3);
  connection.close();
  const [pid] = tsfpm.workers();
  if (isRoot)
    assert.ok(readdirSync(`/proc/${pid}/fd`).every((fd) => linkOf(`/proc/${pid}/fd/${fd}`) !== path));
});

test('inside a jail the name is one of the jail', { skip: unlessRoot }, async (t) => {
  const { tsfpm } = await start(t, { chroot: '{folder}', chdir: '/' });
  const outside = '/tmp/tsfpm-test-missing-outside';
  mkdirSync(tsfpm.folder.at('marks/in'), { mode: 0o755 });
  writeFileSync(tsfpm.folder.at('marks/in/body'), BODY, { mode: 0o644 });
  chmodSync(tsfpm.folder.at('marks/in'), 0o755);
  const ask = async (file: string) => {
    const params = { ...bodyParams(tsfpm, file), SCRIPT_FILENAME: '/www/body.php' };
    const { body } = await fcgiRequest(tsfpm.address(), { params });
    return JSON.parse(body.toString())[0];
  };
  assert.equal(await ask('/marks/in/body'), BODY.length);
  assert.equal(await ask(tsfpm.folder.at('marks/in/body')), 0);
  assert.ok(!existsSync(outside));
});

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // closed meanwhile
  }
}
