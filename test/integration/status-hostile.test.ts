import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { PID_PHP } from '../helpers/probes.js';
import { privateBytesOf } from '../helpers/processes.js';
import { statusJson } from '../helpers/status-page.js';
import { sleep, until } from '../helpers/wait.js';

// A worker's end of the channel to its zygote, in the hands of a tenant with native code.

/** The channel is the one packet socket that a worker has. */
const CHANNEL_PHP = `<?php
  set_time_limit(10);
  if (!extension_loaded('ffi')) die('no FFI');
  $c = FFI::cdef('
    long send(int fd, const char *bytes, size_t n, int flags);
    long recv(int fd, char *bytes, size_t n, int flags);
    int getsockopt(int fd, int level, int name, int *value, unsigned int *length);
    int close(int fd); int fork(void); void _exit(int code);');
  $value = FFI::new('int'); $length = FFI::new('unsigned int');
  $channel = -1;
  for ($fd = 3; $fd < 4096; $fd++) {
    $length->cdata = 4;
    if ($c->getsockopt($fd, 1, 3, FFI::addr($value), FFI::addr($length)) === 0 && $value->cdata === 5) $channel = $fd;
  }
  if ($channel < 0) die('no channel');
  $say = fn(string $bytes) => $c->send($channel, $bytes, strlen($bytes), 0x40);
  $end = microtime(true) + 1.5; $sent = 0;`;

const ATTACKS = {
  'random packets': `while (microtime(true) < $end) $sent += $say(random_bytes(random_int(1, 4000))) > 0;`,
  'empty packets': `while (microtime(true) < $end) $sent += $say('') >= 0;`,
  'tales that workers are few': `while (microtime(true) < $end) $sent += $say(pack('CCvV', 0, 0, 0, 0)) > 0;`,
  'tales that it has started': `while (microtime(true) < $end) $sent += $say(pack('CCvV', 4, 0, 0, 0)) > 0;`,
  'questions of which it reads no answer': `while (microtime(true) < $end) $sent += $say(pack('CCvV', random_int(1, 3), 0, 0, $sent) . str_repeat('html&full&', 90)) > 0;`,
  'questions of which it reads half': `
    $buffer = FFI::new('char[100]');
    while (microtime(true) < $end) {
      $sent += $say(pack('CCvV', random_int(1, 3), 255, 65535, 4294967295) . random_bytes(20)) > 0;
      $c->recv($channel, $buffer, 100, 0x40);
    }`,
  'the end of its channel': `$sent += $c->close($channel) === 0; fpm_get_status() === false or die('an answer from nowhere');`,
} as const;

const files = Object.fromEntries([
  ['pid.php', PID_PHP],
  ...Object.values(ATTACKS).map((code, index) => [
    `attack-${index}.php`,
    `${CHANNEL_PHP}\n${code}\necho $sent > 0 ? 'done' : 'nothing sent';`,
  ]),
]);

const STATUS = { 'pm.status_path': '/status' };

for (const [index, name] of Object.keys(ATTACKS).entries())
  test(`a worker that sends its zygote ${name} disturbs nobody else`, async (t) => {
    const tsfpm = await startTsfpm(t, {
      pools: {
        evil: {
          ...STATUS,
          pm: 'dynamic',
          'pm.max_children': 5,
          'pm.start_servers': 2,
          'pm.min_spare_servers': 1,
          'pm.max_spare_servers': 3,
          'php_admin_value[ffi.enable]': '1',
        },
        good: STATUS,
      },
      files,
      logTo: 'file',
      arguments: [],
    });
    tsfpm.announce(/\[pool evil\]/);
    await tsfpm.untilWorkers(2, 'good');
    await statusJson(tsfpm, { address: tsfpm.address('good') });
    const before = { good: tsfpm.workers('good'), zygotes: [tsfpm.zygote('good'), tsfpm.zygote('evil')] };
    const memoryBefore = privateBytesOf(tsfpm.pid);
    const attacks = Promise.all(
      [0, 1].map(() =>
        tsfpm.request(`attack-${index}.php`, { pool: 'evil', timeoutMs: 8000 }).then(
          ({ text }) => text,
          (error: Error) => error.message,
        ),
      ),
    );
    for (let i = 0; i < 20; i++) {
      const from = performance.now();
      const status = await statusJson(tsfpm, { address: tsfpm.address('good') });
      assert.equal(status['total processes'], 2);
      await tsfpm.get('pid.php', { pool: 'good' });
      assert.ok(performance.now() - from < 1500, 'the good pool is served in time');
      await sleep(50);
    }
    const answers = await attacks;
    if (answers[0] === 'no FFI') {
      t.skip('this php-cgi has no FFI');
      return;
    }
    // One worker may get both: the second time it has no channel left.
    assert.ok(answers.includes('done'), answers.join());
    assert.deepEqual(
      answers.filter((answer) => answer !== 'done' && answer !== 'no channel'),
      [],
    );
    // Its own pool serves on, though pages from a worker without its channel may fail: that is the tenant's affair.
    for (let i = 0; i < 10; i++)
      await until('the pool serves', () => tsfpm.get('pid.php', { pool: 'evil' }).then(Boolean, () => false));
    assert.deepEqual(tsfpm.workers('good'), before.good);
    assert.deepEqual([tsfpm.zygote('good'), tsfpm.zygote('evil')], before.zygotes);
    assert.ok(tsfpm.workers('evil').length <= 5);
    assert.ok(privateBytesOf(tsfpm.pid) - memoryBefore < 48 << 20);
  });
