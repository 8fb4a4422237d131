import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { FCGI_END_REQUEST, FCGI_HEADER_LEN, FCGI_STDERR } from '../../src/fastcgi/constants.js';
import { LOG_LEVELS } from '../../src/log/levels.js';
import { unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { type Daemon, prepareFolder, startTsfpm } from '../helpers/daemon.js';
import { scriptParams } from '../helpers/fastcgi-client.js';
import { requestBytes } from '../helpers/request-bytes.js';
import { compileExtension } from '../helpers/test-extension.js';
import { until } from '../helpers/wait.js';
import { RealPhpFpm } from '../unit/status/real-php-fpm.js';

const POOL = {
  'pm.max_children': 1,
  catch_workers_output: 'yes',
  'php_admin_value[log_errors]': '1',
  'php_admin_value[display_errors]': '0',
};
const LOG_FILES = {
  'log.php': `<?php error_log('one'); error_log("two\\nlines"); trigger_error('three', E_USER_WARNING);
    trigger_error('four', E_USER_DEPRECATED); echo 'ok';`,
  'fatal.php': '<?php error_log("before"); no_such_function();',
  'denied.txt': 'no script',
};

/** What workers said, in order, without times, pids and where in a program a line comes from. */
function saidIn(file: string): string[] {
  return readFileSync(file, 'latin1')
    .replace(/^\[[^\]]+\] (?!WARNING: .*said into).*\n/gm, '')
    .replace(/^\[[^\]]+\] (WARNING: )(?:pid \d+, \S+, line \d+: )?/gm, '$1')
    .replace(/child \d+ said/g, 'child N said')
    .replace(/([A-Z]+: )[\w.#()]+\(\), line \d+: \0?/g, '$1PLACE ')
    .replace(/\/\S+\/(?=\w+\.(?:php|txt))/g, '')
    .split('\n')
    .slice(0, -1);
}

for (const decorate of ['yes', 'no'])
  for (const level of LOG_LEVELS)
    test(`messages of PHP and of workers are logged as by php-fpm with log_level = ${level}, decorate_workers_output = ${decorate}`, {
      skip: unlessPhpFpm,
    }, async (t) => {
      const settings = { ...POOL, decorate_workers_output: decorate };
      const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}`);
      const real = await RealPhpFpm.start(
        { ...process.env },
        [...lines, '[global]', `log_level = ${level}`].join('\n'),
      );
      t.after(() => real.stop());
      const tsfpm = await startTsfpm(t, {
        global: { log_level: level },
        pools: { www: settings },
        files: LOG_FILES,
        arguments: [],
        logTo: 'file',
      });
      tsfpm.announce(/said into/);
      const requests = [...Object.keys(LOG_FILES), 'missing.php'];
      for (const [name, text] of Object.entries(LOG_FILES)) writeFileSync(join(real.folder, name), text);
      for (const name of requests) {
        await real.get(scriptParams(join(real.folder, name)));
        await tsfpm.request(name);
      }
      const [theirs, ours] = [join(real.folder, 'error.log'), tsfpm.folder.at('error.log')];
      const ends = /thrown in|script unknown/;
      await until(
        'both have logged all',
        () =>
          [theirs, ours].every((file) => saidIn(file).some((line) => ends.test(line))) &&
          saidIn(ours).length >= saidIn(theirs).length,
      ).catch(() => {});
      // php-fpm leaves out what is before a line then, and keeps the quote behind it.
      const isMangled = decorate === 'yes' && (level === 'error' || level === 'alert');
      assert.deepEqual(
        saidIn(ours),
        saidIn(theirs).map((line) => (isMangled ? line.replace(/"$/, '') : line)),
      );
    });

for (const decorate of ['yes', 'no'])
  test(`what an extension of php_admin_value says at its start and end is in the log, decorate_workers_output = ${decorate}`, async (t) => {
    const library = compileExtension('talking', prepareFolder(t));
    const tsfpm = await startTsfpm(t, {
      pools: {
        www: {
          ...POOL,
          decorate_workers_output: decorate,
          'php_admin_value[extension]': library,
          'pm.max_requests': 1,
        },
      },
      files: { 'good.php': '<?php echo "good";' },
      arguments: [],
      logTo: 'file',
    });
    tsfpm.announce(/talking: /);
    await tsfpm.log.expect(/\[pool www\] php-cgi: talking: start on stderr\n/);
    assert.match(
      tsfpm.log.text,
      /\[pool www\] php-cgi: PHP Warning: {2}talking: start as a warning in Unknown on line 0\n/,
    );
    assert.equal(await tsfpm.get('good.php'), 'good');
    const said = (text: string) =>
      new RegExp(
        decorate === 'yes'
          ? `WARNING: \\[pool www\\] child \\d+ said into stderr: "${text}"\\n`
          : `^${text}\\n`,
        'm',
      );
    await untilLogged(tsfpm, said('talking: end on stderr'));
    await untilLogged(
      tsfpm,
      said('NOTICE: PHP message: PHP Warning: {2}talking: end as a warning in Unknown on line 0'),
    );
  });

const untilLogged = (tsfpm: Daemon, pattern: RegExp) =>
  until(`the log has ${pattern}`, () => pattern.test(tsfpm.log.text));

test('a reload with another log_level reaches workers of unchanged pools, too', async (t) => {
  const pools = { www: { ...POOL, decorate_workers_output: 'yes' } };
  const start = { global: { reload_unchanged: 'no' }, pools, files: LOG_FILES };
  const tsfpm = await startTsfpm(t, start);
  tsfpm.announce(/said into/);
  await tsfpm.get('log.php');
  await untilLogged(tsfpm, /"NOTICE: PHP message: one"\n/);
  const before = tsfpm.workers();
  tsfpm.folder.writePieces({ ...start, global: { reload_unchanged: 'no', log_level: 'warning' } });
  tsfpm.signal('SIGUSR2');
  await until('the pool is renewed', () => {
    const now = tsfpm.workers();
    return now.length === 1 && now[0] !== before[0];
  });
  await tsfpm.get('log.php');
  await untilLogged(tsfpm, /said into stderr: "PHP message: one"\n/);
});

/** @returns the records of an answer that follow one another in `bytes`, each with the size that its padding is part of */
function recordsIn(bytes: Buffer) {
  const records: { type: number; size: number; padding: number; text: string }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const content = bytes.readUInt16BE(at + 4);
    const size = FCGI_HEADER_LEN + content + bytes.readUInt8(at + 6);
    const start = at + FCGI_HEADER_LEN;
    records.push({
      type: bytes.readUInt8(at + 1),
      size,
      padding: bytes.readUInt8(at + 6),
      text: bytes.toString('latin1', start, start + content),
    });
    at += size;
  }
  return records;
}

async function bytesOf(tsfpm: Daemon, params: Readonly<Record<string, string>>): Promise<Buffer> {
  const address = tsfpm.address();
  const socket = connect(typeof address === 'string' ? { path: address } : address);
  socket.write(requestBytes({ params }));
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

test('what a web server receives is padded to eight bytes: messages, pages, and the end of what takes too long, with what it has said', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: { www: { ...POOL, 'pm.status_path': '/status', request_terminate_timeout: '0.5s' } },
    files: {
      ...LOG_FILES,
      // With its front a message of 16 bytes, which needs no padding; and one that is longer than a record.
      'late.php': '<?php error_log("odd"); while (true) usleep(100000);',
      'long.php': '<?php error_log(str_repeat("long ", 4000)); echo "ok";',
    },
  });
  tsfpm.announce(/said into|execution timed out|exited on signal|child \d+ was at/);
  const answers: [string, Readonly<Record<string, string>>, RegExp?][] = [
    ['log.php', {}, /^PHP message: one; PHP message: two\nlines; .*four in/],
    ['fatal.php', {}, /^PHP message: before; PHP message: PHP Fatal error/],
    ['denied.txt', {}, /^Access to the script .* has been denied/],
    ['status', { SCRIPT_NAME: '/status' }],
    ['late.php', {}, /^PHP message: odd$/],
    ['long.php', {}, /^PHP message: (?:long ){4000}$/],
  ];
  for (const [name, params, message] of answers) {
    const records = recordsIn(await bytesOf(tsfpm, scriptParams(tsfpm.folder.script(name), params)));
    assert.deepEqual(
      records.filter(({ size }) => size % 8 !== 0),
      [],
      name,
    );
    assert.equal(records.at(-1)?.type, FCGI_END_REQUEST, name);
    const said = records.filter(({ type }) => type === FCGI_STDERR);
    assert.match(said.map(({ text }) => text).join(''), message ?? /^$/, name);
    // HAProxy 2.6 does not survive one that has none.
    assert.ok(
      said.every(({ padding }) => padding > 0),
      name,
    );
  }
});
