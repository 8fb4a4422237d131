import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { type FailedStart, prepareFolder, runIn, runTsfpm, startTsfpm } from '../helpers/daemon.js';
import { unlessRoot } from '../helpers/daemon-folder.js';
import { PHP_CGI } from '../helpers/php-programs.js';
import { PID_PHP } from '../helpers/probes.js';

const EXIT_CONFIG = 78;

/** What must hold after every refusal: the code, no stack trace, nothing started, nothing left. */
function assertRefused(run: FailedStart): void {
  assert.equal(run.code, EXIT_CONFIG, run.stderr);
  assert.equal(run.stdout, '');
  assert.doesNotMatch(run.stderr, /^ {4}at |node:internal|\.js:[0-9]/m);
  assert.match(run.stderr, /ERROR: FPM initialization failed\n$/);
  assert.doesNotMatch(run.stderr, /fpm is running/);
  assert.deepEqual(
    readdirSync(run.folder.path).filter((name) => /\.(?:sock|pid)$/.test(name)),
    [],
  );
  assert.deepEqual(readdirSync(run.folder.at('tmp')), []);
}

test('every error of a broken file is told with file and line, and nothing starts', async (t) => {
  const run = await runTsfpm(t, {
    pools: {
      www: { 'pm.max_childrens': 3, request_terminate_timeout: 'soon' },
      shop: { pm: 'sometimes', 'listen.backlog': 'many' },
    },
  });
  assertRefused(run);
  const file = run.folder.configFile;
  const told = [...run.stderr.matchAll(/ERROR: \[([^\]]+):([0-9]+)\] (.*)$/gm)].map(
    ([, at, line, message]) => ({
      at,
      line: Number(line),
      message,
    }),
  );
  const lineOf = (text: string) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .findIndex((line) => line.startsWith(text)) + 1;
  assert.deepEqual(
    told.map(({ at, line }) => [at, line]),
    ['pm.max_childrens', 'request_terminate_timeout', 'pm = sometimes', 'listen.backlog = many'].map(
      (text) => [file, lineOf(text)],
    ),
    run.stderr,
  );
  assert.match(told[0]?.message ?? '', /^unknown entry 'pm\.max_childrens'$/);
});

test('a file that is missing is told', async (t) => {
  const folder = prepareFolder(t);
  rmSync(folder.configFile);
  const run = await runIn(folder);
  assertRefused(run);
  assert.ok(
    run.stderr.includes(
      `failed to open configuration file '${folder.configFile}': No such file or directory (2)`,
    ),
    run.stderr,
  );
});

test('a file without pools is refused', async (t) => {
  const run = await runTsfpm(t, { pools: {} });
  assertRefused(run);
  assert.match(
    run.stderr,
    /ERROR: No pool defined\. at least one pool section must be specified in config file/,
  );
});

test('rules over several directives are told with their pool', async (t) => {
  const run = await runTsfpm(t, {
    pools: { www: { chdir: '/tmp/tsfpm-test-missing' }, shop: { 'pm.max_children': 0 } },
  });
  assertRefused(run);
  assert.match(run.stderr, /ERROR: \[pool www\] the chdir path '\/tmp\/tsfpm-test-missing' does not exist/);
  assert.match(run.stderr, /ALERT: \[pool shop\] pm\.max_children must be a positive value/);
});

test('an unknown user is refused, and all unknown names are told', { skip: unlessRoot }, async (t) => {
  const run = await runTsfpm(t, {
    pools: { www: { user: 'nobody-of-that-name' }, shop: { group: 'no-such-group' } },
  });
  assertRefused(run);
  assert.match(run.stderr, /\[pool www\] cannot get uid for user 'nobody-of-that-name'/);
  assert.match(run.stderr, /\[pool shop\] cannot get gid for group 'no-such-group'/);
});

test('a pool that would run as root is refused', { skip: unlessRoot }, async (t) => {
  const run = await runTsfpm(t, { pools: { www: { user: 'root' } } });
  assertRefused(run);
  assert.match(run.stderr, /\[pool www\] please specify user and group other than root/);
});

test('a pool may run as root with -R', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { user: 'root' } },
    arguments: ['-O', '-R'],
    files: { 'uid.php': '<?php echo posix_getuid();' },
  });
  assert.equal(await tsfpm.get('uid.php'), '0');
});

test('every directive has its effect: a file that uses what came last starts without a notice', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'access.log': '{folder}/access.log',
        slowlog: '{folder}/slow.log',
        catch_workers_output: 'yes',
      },
    },
  });
  assert.doesNotMatch(tsfpm.log.text, /without effect/);
});

const BROKEN_BINARIES: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
  ['text', 'no program', /it is not a program \(no ELF header\)/],
  ['static', staticElf(), /it is statically linked, so the runtime cannot be loaded into it/],
  ['foreign', staticElf(20), /it is built for another machine \(/],
];

for (const [name, content, reason] of BROKEN_BINARIES)
  test(`a php_cgi that is ${name} is refused with its name and the reason`, async (t) => {
    const folder = prepareFolder(t, { pools: { www: { php_cgi: '{folder}/php' } } });
    writeFileSync(folder.at('php'), content, { mode: 0o755 });
    const run = await runIn(folder);
    assertRefused(run);
    assert.match(run.stderr, reason);
    assert.ok(run.stderr.includes(`[pool www] php-cgi '${folder.at('php')}' cannot be used: `), run.stderr);
  });

test('a php_cgi that is missing is refused', async (t) => {
  const run = await runTsfpm(t, { pools: { www: { php_cgi: '{folder}/nothing' } } });
  assertRefused(run);
  assert.match(run.stderr, /php-cgi '.*\/nothing' cannot be used: No such file or directory \(2\)/);
});

test('a php_cgi that ends at once is refused with its last words', async (t) => {
  const run = await runTsfpm(t, {
    pools: { www: { php_cgi: '{folder}/www/php' } },
    files: { php: '#!/bin/sh\necho "I am no PHP" >&2\nexit 3\n' },
  });
  assertRefused(run);
  assert.match(
    run.stderr,
    /\[pool www\] php-cgi '.*\/php' exited with code 3 before it was ready; its last words: "I am no PHP"/,
  );
});

test('one pool whose php-cgi fails keeps the others from starting', async (t) => {
  const run = await runTsfpm(t, { pools: { www: {}, shop: { php_cgi: '/bin/true' } } });
  assertRefused(run);
  assert.match(run.stderr, /\[pool shop\] php-cgi '\/bin\/true' exited with code 0 before it was ready/);
});

test('a wrapper script may stand before php-cgi', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { php_cgi: '{folder}/www/php' } },
    files: { php: `#!/bin/sh\nexec ${PHP_CGI} "$@"\n`, 'pid.php': PID_PHP },
  });
  assert.match(await tsfpm.get('pid.php'), /^[0-9]+$/);
});

test('php_ini is the php.ini of its pool alone', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { php_ini: '{folder}/www/own.ini' }, shop: {} },
    files: { 'own.ini': 'user_agent = from-the-file\n', 'show.php': '<?php echo ini_get("user_agent");' },
  });
  assert.equal(await tsfpm.get('show.php', { pool: 'www' }), 'from-the-file');
  assert.equal(await tsfpm.get('show.php', { pool: 'shop' }), '');
});

test('include goes on inside the section that it stands in', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { include: '{folder}/www/more-*.conf' } },
    files: {
      'more-a.conf': 'php_value[user_agent] = included\n',
      'show.php': '<?php echo ini_get("user_agent");',
    },
  });
  assert.equal(await tsfpm.get('show.php'), 'included');
});

test('errors in an included file name that file', async (t) => {
  const run = await runTsfpm(t, {
    global: { include: '{folder}/www/pool-*.conf' },
    files: { 'pool-a.conf': '[a]\npm = static\nnonsense = 1\n' },
  });
  assertRefused(run);
  assert.ok(
    run.stderr.includes(`ERROR: [${run.folder.script('pool-a.conf')}:3] unknown entry 'nonsense'`),
    run.stderr,
  );
});

/** The head of an ELF program without an interpreter. */
function staticElf(machine = { x64: 62, arm64: 183 }[process.arch as string] ?? 0): Buffer {
  const head = Buffer.alloc(128);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(head);
  head.writeUInt16LE(2, 16);
  head.writeUInt16LE(machine, 18);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, 64); // PT_LOAD
  return head;
}
