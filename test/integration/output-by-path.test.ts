import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { unlessRoot } from '../helpers/daemon-folder.js';
import { until } from '../helpers/wait.js';

// Scripts and programs that open their stdout and stderr by name, as another user than the one who made the pipes.

const FILES = {
  'open.php': `<?php
    foreach (['/proc/self/fd/1', '/proc/self/fd/2', '/dev/stdout', '/dev/stderr', '/dev/fd/1', '/dev/fd/2'] as $path) {
      $file = fopen($path, 'w') or die("$path cannot be opened");
      fwrite($file, "opened $path\\n");
      fclose($file);
    }
    file_put_contents('/dev/stderr', "put\\n");
    error_log("sent by error_log\\n", 3, '/dev/stderr');
    exec('echo by-a-program > /dev/stderr 2>&1; echo to-its-stdout > /dev/fd/2', $lines, $code);
    echo $code;`,
  'errors.php':
    '<?php error_log("to the log of PHP"); trigger_error("a warning", E_USER_WARNING); echo "ok";',
  'read.php': `<?php
    $read = fopen('/proc/self/fd/2', 'r+');
    stream_set_blocking($read, false);
    fwrite($read, "kept\\n");
    fwrite(fopen('php://stderr', 'w'), "another\\n");
    exec('sleep 30 > /dev/null < /dev/stderr 2> /dev/stderr & echo $!', $pid);
    echo $pid[0];`,
};

test('stdout and stderr can be opened by name, and the lines take the usual way', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startTsfpm(t, { files: FILES });
  assert.equal(await tsfpm.get('open.php'), '0');
  const expected = [
    ...['/proc/self/fd/1', '/proc/self/fd/2', '/dev/stdout', '/dev/stderr', '/dev/fd/1', '/dev/fd/2'].map(
      (path) => `opened ${path}`,
    ),
    'put',
    'sent by error_log',
    'by-a-program',
    'to-its-stdout',
  ];
  await until('every line', () => expected.every((line) => tsfpm.log.lines.includes(line)));
});

test('php.ini’s error_log may be /proc/self/fd/2 or /dev/stderr', { skip: unlessRoot }, async (t) => {
  const pool = (path: string) => ({ 'php_admin_value[error_log]': path, 'php_admin_flag[log_errors]': 'on' });
  const tsfpm = await startTsfpm(t, {
    pools: { proc: pool('/proc/self/fd/2'), dev: { ...pool('/dev/stderr'), decorate_workers_output: 'yes' } },
    files: FILES,
  });
  tsfpm.announce(/said into stderr/);
  await tsfpm.get('errors.php', { pool: 'proc' });
  await tsfpm.expectLog(/^\[.*\] to the log of PHP\n\[.*\] PHP Warning: {2}a warning in /m);
  await tsfpm.get('errors.php', { pool: 'dev' });
  await tsfpm.expectLog(/\[pool dev\] child [0-9]+ said into stderr: "\[.*\] to the log of PHP"\n/);
  await tsfpm.expectLog(/\[pool dev\] child [0-9]+ said into stderr: "\[.*\] PHP Warning: {2}a warning in /);
});

test('with catch_workers_output = no the names are those of /dev/null', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { catch_workers_output: 'no', 'php_admin_value[error_log]': '/proc/self/fd/2' } },
    files: FILES,
  });
  assert.equal(await tsfpm.get('open.php'), '0');
  assert.equal(await tsfpm.get('errors.php'), 'ok');
  await tsfpm.stop();
  assert.doesNotMatch(tsfpm.log.text, /opened|put|by-a-program|the log of PHP/);
});

test('a program that is left with such a pipe, reading and writing, does not keep its worker from ending', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { 'pm.max_children': 1, 'pm.max_requests': 1 } },
    files: FILES,
  });
  const [before] = tsfpm.workers();
  const program = Number(await tsfpm.get('read.php'));
  try {
    await until('the next worker', () => tsfpm.workers().length === 1 && tsfpm.workers()[0] !== before);
    assert.equal(await tsfpm.get('open.php'), '0');
    await until('the next worker’s lines', () => tsfpm.log.lines.includes('by-a-program'));
  } finally {
    process.kill(program, 'SIGKILL');
  }
});
