import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { answer, startFpm, unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { prepareFolder, startTsfpm } from '../helpers/daemon.js';
import { scriptParams } from '../helpers/fastcgi-client.js';
import { PHP_INI_START } from '../helpers/php-programs.js';

const files = {
  'fatal.php': '<?php header("X-Before: yes"); no_such_function();',
  'buffered.php': '<?php ob_start(); echo "kept"; no_such_function();',
  'parse.php': '<?php this is no PHP',
  'exit255.php': '<?php exit(255);',
  'exit1.php': '<?php exit(1);',
  'status.php': '<?php http_response_code(404); no_such_function();',
  'thrown.php': '<?php throw new Exception("x");',
  'user.php': '<?php trigger_error("x", E_USER_ERROR);',
  'good.php': '<?php echo "good";',
  'sent.php': '<?php echo "sent"; while (ob_get_level() > 0) ob_end_flush(); flush(); no_such_function();',
  'seen.php':
    '<?php echo json_encode([ini_get("fastcgi.error_header"), @ini_set("fastcgi.error_header", "x")]);',
};

for (const header of ['HTTP/1.0 550 Server Made Boo Boo', 'X-Fatal: yes', 'Status: 503 Later', ''])
  test(`fastcgi.error_header = "${header}" is the answer of scripts that end in a fatal error`, {
    skip: unlessPhpFpm,
  }, async (t) => {
    const lines = {
      'php_admin_value[log_errors]': '0',
      'php_admin_value[display_errors]': '0',
      ...(header === '' ? {} : { 'php_admin_value[fastcgi.error_header]': `"${header}"` }),
    };
    const tsfpm = await startTsfpm(t, {
      pools: { www: { ...lines, 'pm.max_children': 1 } },
      files,
    });
    const fpm = await startFpm(
      t,
      tsfpm,
      Object.entries(lines)
        .map(([key, value]) => `${key} = ${value}`)
        .join('\n'),
    );
    // Twice: the header is not for the next request.
    for (const name of [...Object.keys(files), ...Object.keys(files).reverse()]) {
      const params = scriptParams(tsfpm.folder.script(name));
      const [ours, theirs] = [await answer(tsfpm.address(), params), await answer(fpm, params)];
      assert.deepEqual(ours, theirs, name);
      if (header.includes('550') && name === 'fatal.php')
        assert.deepEqual([ours.status, ours.reason], [550, 'Server Made Boo Boo']);
    }
  });

test('fastcgi.error_header may stand in the php.ini of a pool', async (t) => {
  const folder = prepareFolder(t);
  const ini = folder.at('pool.ini');
  writeFileSync(ini, `${PHP_INI_START}\ndisplay_errors = 0\nfastcgi.error_header = "HTTP/1.0 551 By file"\n`);
  const tsfpm = await startTsfpm(t, {
    pools: { www: { php_ini: ini, 'pm.max_children': 1 } },
    files,
  });
  const said = async (name: string) => {
    const { status, text } = await tsfpm.request(name);
    return { status, text };
  };
  for (const name of ['fatal.php', 'parse.php', 'exit255.php', 'thrown.php', 'user.php', 'status.php']) {
    assert.deepEqual(await said(name), { status: 551, text: '' }, name);
    assert.deepEqual(await said('good.php'), { status: 200, text: 'good' }, `after ${name}`);
  }
  assert.deepEqual(await said('buffered.php'), { status: 551, text: 'kept' });
  assert.deepEqual(await said('sent.php'), { status: 200, text: 'sent' });
  assert.deepEqual(await said('exit1.php'), { status: 200, text: '' });
});
