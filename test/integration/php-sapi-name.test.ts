import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTsfpm } from '../helpers/daemon.js';

const NAME_PHP = `<?php
function folded() { return PHP_SAPI; }
ob_start(); phpinfo(INFO_GENERAL); $info = ob_get_clean();
$opcache = opcache_get_status(false);
echo json_encode([
  'names' => [PHP_SAPI, php_sapi_name(), constant('PHP_SAPI'), folded()],
  'info' => preg_match('/Server API.*?(\\w+\\/FastCGI)/', $info, $found) ? $found[1] : $info,
  'opcache' => $opcache['opcache_enabled'], 'scripts' => $opcache['opcache_statistics']['num_cached_scripts'],
  'preloaded' => function_exists('preloaded') ? preloaded() : null, 'extensions' => get_loaded_extensions(),
]);`;

interface Name {
  readonly names: string[];
  readonly info: string;
  readonly opcache: boolean;
  readonly scripts: number;
  readonly preloaded: string | null;
  readonly extensions: string[];
}

const files = { 'name.php': NAME_PHP, 'preload.php': '<?php function preloaded() { return PHP_SAPI; }' };

test('scripts see fpm-fcgi, preloaded ones too, and opcache is on and shared', async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'php_admin_value[opcache.preload]': '{folder}/www/preload.php',
        'php_admin_value[opcache.preload_user]': 'www-data',
      },
    },
    files,
  });
  const [first, second] = [await tsfpm.getJson<Name>('name.php'), await tsfpm.getJson<Name>('name.php')];
  assert.deepEqual(first?.names, Array(4).fill('fpm-fcgi'));
  assert.equal(first.info, 'FPM/FastCGI');
  assert.equal(first.preloaded, 'fpm-fcgi');
  assert.ok(first.opcache && second?.opcache);
  assert.ok(second.scripts >= 2, `${second.scripts} cached`);
});

test('php_sapi_name = cgi-fcgi keeps the name of php-cgi, with the same extensions', async (t) => {
  const tsfpm = await startTsfpm(t, { pools: { www: {}, old: { php_sapi_name: 'cgi-fcgi' } }, files });
  const [fpm, cgi] = [
    await tsfpm.getJson<Name>('name.php'),
    await tsfpm.getJson<Name>('name.php', { pool: 'old' }),
  ];
  assert.deepEqual(cgi?.names, Array(4).fill('cgi-fcgi'));
  assert.equal(cgi.info, 'CGI/FastCGI');
  assert.deepEqual(cgi.extensions, fpm?.extensions);
});

test("opcache's settings in a pool warn in no request, and scripts cannot change them", async (t) => {
  const tsfpm = await startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 1,
        'php_admin_value[opcache.enable]': 1,
        'php_admin_value[opcache.memory_consumption]': 64,
        'php_admin_value[opcache.interned_strings_buffer]': 4,
        'php_admin_value[opcache.max_accelerated_files]': 2000,
        'php_admin_value[opcache.log_verbosity_level]': 4,
        'php_admin_value[memory_limit]': '70M',
      },
    },
    files: {
      'set.php': `<?php echo json_encode([ini_get('opcache.memory_consumption'), ini_get('opcache.enable'),
        @ini_set('opcache.memory_consumption', '65'), @ini_set('memory_limit', '80M'), error_get_last()]);`,
    },
  });
  for (let request = 0; request < 3; request++) {
    const { text, stderr } = await tsfpm.request('set.php');
    assert.equal(text, '["64","1",false,false,null]');
    assert.equal(stderr, '');
  }
  assert.doesNotMatch(tsfpm.log.text, /temporar|already set up/);
});
