import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import { isRoot, unlessRoot } from '../helpers/daemon-folder.js';
import { sleep, until } from '../helpers/wait.js';
import { PHP_FPM, phpFpmVersion, RealPhpFpm } from '../unit/status/real-php-fpm.js';

const skip = phpFpmVersion() === undefined ? `${PHP_FPM} is not installed` : false;
const AS_FPM = { 'pm.max_children': 1, decorate_workers_output: undefined };

/** Each `say` is one write(2) of a text, to a stream opened once: PHP's own buffers do not cut it. */
const SAY = `<?php function say(string $text, string $stream = 'stderr'): void {
    static $open = [];
    $open[$stream] ??= fopen("php://$stream", 'w');
    stream_set_write_buffer($open[$stream], 0);
    stream_set_chunk_size($open[$stream], 1 << 20);
    fwrite($open[$stream], $text);
  }
`;
const SCRIPTS: Readonly<Record<string, string>> = {
  'line.php': `${SAY} say("one\\ntwo\\n"); echo 'ok';`,
  'quotes.php': `${SAY} say("\\"quoted\\" \\\\ back\\tslash \\x01\\x7f\\xff é\\n"); echo 'ok';`,
  'empty.php': `${SAY} say("\\n\\n\\n"); echo 'ok';`,
  'partial.php': `${SAY} say('first'); usleep(50000); say(' second'); echo 'ok';`,
  'long.php': `${SAY} say(str_repeat('x', 1400) . "end\\n"); echo 'ok';`,
  'exact.php': `${SAY} foreach ([420, 421, 422, 423, 424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 435, 436, 437, 438, 439, 440, 500, 510, 511, 512, 513] as $n) { say(str_repeat('y', $n) . "\\n"); usleep(2000); } echo 'ok';`,
  'binary.php': `${SAY} say("a\\0b\\0\\n"); echo 'ok';`,
  'stdout.php': `${SAY} say("to stdout\\n", 'stdout'); usleep(50000); say("to stderr\\n"); usleep(50000); say('open', 'stdout'); usleep(50000); say('other', 'stderr'); echo 'ok';`,
};

/** Of an error log: what workers said, without times and pids. */
const saidIn = (text: string) =>
  text
    .split('\n')
    .slice(0, -1)
    .filter((line) => !/\] NOTICE: |\] WARNING: \[pool www\] child [0-9]+ exited/.test(line))
    .map((line) => line.replace(/^\[[^\]]{20}\] /, '').replace(/child [0-9]+ said/, 'child N said'));

for (const [name, global, pool] of [
  ['as shipped', {}, {}],
  ['log_limit = 512', { log_limit: 512 }, {}],
  ['log_buffering = no', { log_limit: 512, log_buffering: 'no' }, {}],
  ['decorate_workers_output = no', { log_limit: 512 }, { decorate_workers_output: 'no' }],
] as const)
  test(`workers’ output is logged as by php-fpm, ${name}`, { skip }, async (t) => {
    const settings = { 'pm.max_children': 1, catch_workers_output: 'yes', ...pool };
    const lines = (entries: object) => Object.entries(entries).map(([key, value]) => `${key} = ${value}`);
    const real = await RealPhpFpm.start(
      { ...process.env },
      [...lines(settings), '[global]', ...lines(global)].join('\n'),
    );
    t.after(() => real.stop());
    for (const [file, text] of Object.entries(SCRIPTS)) writeFileSync(join(real.folder, file), text);
    const tsfpm = await startTsfpm(t, {
      global,
      pools: { www: { ...settings, decorate_workers_output: undefined, ...pool } },
      files: SCRIPTS,
      arguments: [],
      logTo: 'file',
    });
    tsfpm.announce(/said into/);
    // Without buffering php-fpm runs a line of just log_limit bytes together with the next.
    const scripts = Object.keys(SCRIPTS).filter(
      (script) => !('log_buffering' in global && script === 'exact.php'),
    );
    const theirs = () => saidIn(readFileSync(join(real.folder, 'error.log'), 'latin1'));
    const ours = () => saidIn(readFileSync(tsfpm.folder.at('error.log'), 'latin1'));
    for (const script of scripts) {
      await real.get({ SCRIPT_FILENAME: join(real.folder, script), SCRIPT_NAME: `/${script}` });
      await tsfpm.get(script);
      // Requests that follow at once may share a read, and then php-fpm tells a closed pipe from an open one otherwise.
      await sleep(30);
    }
    await until('as many lines', () => ours().length >= theirs().length && theirs().length > 7).catch(
      () => {},
    );
    // The digits of a pid count in the length of a line.
    const digits = (lines: string) => /child ([0-9]+) said/.exec(lines)?.[1]?.length;
    const isAlike = digits(readFileSync(join(real.folder, 'error.log'), 'latin1')) === digits(tsfpm.log.text);
    const comparable = (lines: string[]) => lines.filter((line) => isAlike || !/[xy]{50}/.test(line));
    assert.deepEqual(comparable(ours()), comparable(theirs()));
  });

test('the last words of a dying worker end with the pipe, and several workers do not mix', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...AS_FPM, 'pm.max_children': 4 } },
    files: {
      'last.php': `${SAY} say('last words'); posix_kill(getmypid(), SIGKILL); sleep(5);`,
      'talk.php': `${SAY} for ($i = 0; $i < 50; $i++) { say($_GET['who'] . '-'); say("$i-"); say("done\\n"); } echo getmypid();`,
    },
  });
  tsfpm.announce(/said into|exited on signal 9/);
  const talkers = await Promise.all(
    [0, 1, 2, 3].map(
      async (who) => [who, await tsfpm.get('talk.php', { params: { QUERY_STRING: `who=${who}` } })] as const,
    ),
  );
  const lines = () =>
    tsfpm.log.lines.filter((line) => /-done"$/.test(line)).map((line) => line.replace(/^\[[^\]]*\] /, ''));
  await until('all lines', () => lines().length >= 200);
  const expected = talkers.flatMap(([who, pid]) =>
    Array.from(
      { length: 50 },
      (_, i) => `WARNING: [pool www] child ${pid} said into stderr: "${who}-${i}-done"`,
    ),
  );
  assert.deepEqual(lines().sort(), expected.sort());
  await assert.rejects(tsfpm.request('last.php'), /connection closed/);
  await tsfpm.expectLog(/said into stderr: "last words", pipe is closed\n.*exited on signal 9/);
});

test('a line without its end is ended with its request, also where a program printed it', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: AS_FPM },
    files: { ...SCRIPTS, 'program.php': '<?php system("printf by-a-program >&2"); echo "ok";' },
  });
  tsfpm.announce(/said into/);
  await tsfpm.get('partial.php');
  await tsfpm.get('partial.php');
  await tsfpm.expectLog(/said into stderr: "first second"\n.*said into stderr: "first second"\n/);
  await tsfpm.get('program.php');
  await tsfpm.expectLog(/said into stderr: "by-a-program"\n/);
  assert.doesNotMatch(tsfpm.log.text, /fscf|pipe is closed/);
});

test('catch_workers_output = no: what scripts print is nobody’s, and it is the default', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: { 'pm.max_children': 1, catch_workers_output: undefined, decorate_workers_output: undefined },
    },
    files: {
      ...SCRIPTS,
      'where.php': '<?php echo readlink("/proc/self/fd/1"), " ", readlink("/proc/self/fd/2");',
    },
  });
  assert.equal(await tsfpm.get('where.php'), '/dev/null /dev/null');
  for (const script of Object.keys(SCRIPTS)) await tsfpm.get(script);
  await tsfpm.stop();
  assert.doesNotMatch(tsfpm.log.text, /one|stdout|said/);
});

test('a worker that cannot be set up says why, caught or not', { skip: unlessRoot }, async (t) => {
  const hard = 1024 * 1024 * 1024;
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 1,
        rlimit_files: hard,
        catch_workers_output: 'no',
        decorate_workers_output: undefined,
      },
    },
    files: SCRIPTS,
  });
  assert.ok(isRoot);
  await tsfpm.expectLog(
    /WARNING: \[pool www\] child [0-9]+ said into stderr: "ERROR: \[pool www\] failed to set rlimit_files for this pool\./,
  );
  await tsfpm.get('line.php');
});

test('log_format = json: JSON objects of scripts pass through whole, other text is a message', async (t) => {
  const long = 'x'.repeat(20_000);
  const print = `${SAY} say(json_encode(['event' => 'paid', 'id' => 9007199254740993, 'text' => '${long}']) . "\\nplain \\"text\\"\\n"); echo 'ok';`;
  const tsfpm = await startTsfpm(t, {
    global: { log_format: 'json', log_limit: 512 },
    pools: { www: AS_FPM, bare: { 'pm.max_children': 1, decorate_workers_output: 'no' } },
    files: {
      'print.php': print,
      'log.php':
        '<?php ini_set("display_errors", "0"); error_log(\'{"event":"logged"}\'); error_log("stock is low"); echo $unset; nothing();',
    },
  });
  tsfpm.announce(/"stream"|paid|logged/);
  await tsfpm.get('print.php');
  await tsfpm.get('print.php', { pool: 'bare' });
  await until('all lines', () => tsfpm.log.lines.filter((line) => /paid|plain/.test(line)).length === 4);
  const said = tsfpm.log.lines.filter((line) => /paid|plain/.test(line));
  const parsed = said.map((line) => JSON.parse(line) as Record<string, unknown>);
  const [whole, text] = parsed.filter(({ pool }) => pool === 'www');
  assert.deepEqual(
    [(whole?.data as { text: string } | undefined)?.text, text?.message],
    [long, 'plain "text"'],
  );
  assert.ok(said.every((line) => !line.includes('paid') || line.includes('"id":9007199254740993')));
  const bare = parsed.find(({ event }) => event === 'paid');
  assert.deepEqual(Object.keys(bare ?? {}), ['event', 'id', 'text']);

  // What PHP logs is the same, with PHP's level.
  await tsfpm.request('log.php');
  await tsfpm.request('log.php', { pool: 'bare' });
  await until(
    'all lines',
    () => tsfpm.log.lines.filter((line) => line.includes('PHP Fatal error')).length === 2,
  );
  const logged = tsfpm.log.lines
    .filter((line) => /logged|stock is low|PHP Warning|PHP Fatal/.test(line))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const [event, stock, warning, fatal] = logged.filter(({ pool }) => pool === 'www');
  assert.deepEqual([event?.level, event?.data], ['notice', { event: 'logged' }]);
  assert.deepEqual([stock?.level, stock?.message], ['notice', 'stock is low']);
  assert.deepEqual([warning?.level, fatal?.level], ['warning', 'error']);
  assert.match(String(fatal?.message), /^PHP Fatal error: {2}Uncaught Error: /);
  assert.ok(logged.some((line) => JSON.stringify(line) === '{"event":"logged"}'));
});
