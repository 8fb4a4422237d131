import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { PHP_CGI } from '../helpers/php-programs.js';
import { reload } from '../helpers/reload.js';
import { until } from '../helpers/wait.js';

/** Names of `php-cgi -m`, with php.ini's extensions or without. */
function modules(...options: string[]): string[] {
  const { stdout } = spawnSync(PHP_CGI, [...options, '-m'], { encoding: 'utf8' });
  return stdout.split('\n').filter((name) => /^[a-z]+$/.test(name));
}

const BUILT_IN = 'hash'; // of every PHP, and never a file
const shared = modules().find((name) => !modules('-n').includes(name) && name !== 'tsfpm');
const NAMED = shared === undefined ? [BUILT_IN] : [BUILT_IN, shared];

for (const name of NAMED)
  for (const how of ['-d', 'php_admin_value'] as const)
    test(`an extension that php-cgi has, named again by ${how}, is one notice in the master's life: ${name}`, async (t) => {
      const www: Settings = how === '-d' ? {} : { 'php_admin_value[extension]': name };
      const tsfpm = await startTsfpm(t, {
        arguments: ['-O', ...(how === '-d' ? ['-d', `extension=${name}`] : [])],
        pools: { www: { 'pm.max_children': 1, ...www } },
      });
      const line = new RegExp(`NOTICE: \\[pool www\\] php-cgi: .*["']${name}["']`);
      await tsfpm.log.expect(line);
      // php-cgi is asked for its own extensions meanwhile.
      await tsfpm.settle();
      await reload(tsfpm);
      await reload(tsfpm);
      assert.equal(tsfpm.log.text.match(new RegExp(line, 'g'))?.length, 1);
    });

test('one that is nowhere stays a warning at each start', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: { 'php_admin_value[extension]': 'no-such-one' } } });
  const line = /WARNING: \[pool www\] php-cgi: .*Unable to load dynamic library 'no-such-one'/;
  await tsfpm.expectLog(line);
  await tsfpm.settle();
  await reload(tsfpm);
  await until('it is told again', () => tsfpm.log.text.match(new RegExp(line, 'g'))?.length === 2);
});
