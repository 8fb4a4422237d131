import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { LATE_SETTINGS } from '../../src/zygote/late-settings.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { PHP_INI } from '../helpers/php-programs.js';
import { programAddress } from '../helpers/processes.js';

// What a script sees must not tell whether its pool has a php-cgi of its own, or one that was forked from a template.

/** Another than the default of every version, and valid. All others are numbers or switches: {@link otherValue}. */
const VALUES: Readonly<Record<string, string>> = {
  'arg_separator.input': ';&',
  'arg_separator.output': '&amp;',
  'assert.callback': 'strlen',
  auto_append_file: '{folder}/www/append.php',
  auto_prepend_file: '{folder}/www/prepend.php',
  'date.timezone': 'Europe/Vienna',
  default_charset: 'ISO-8859-15',
  default_mimetype: 'text/plain',
  disable_functions: 'exec, passthru,popen',
  docref_ext: '.htm',
  docref_root: '/manual/',
  error_append_string: '<!-- after -->',
  error_log: '{folder}/php.log',
  error_prepend_string: '<!-- before -->',
  error_reporting: '8181',
  from: 'someone@example.org',
  include_path: '.:{folder}/www',
  input_encoding: 'UTF-8',
  'intl.default_locale': 'de_AT',
  internal_encoding: 'UTF-8',
  'mail.log': '{folder}/mail.log',
  'mbstring.language': 'German',
  'mbstring.substitute_character': '63',
  memory_limit: '77M',
  open_basedir: '{folder}:/proc',
  output_encoding: 'UTF-8',
  output_handler: 'strtoupper_of_tests',
  post_max_size: '9M',
  realpath_cache_size: '99K',
  request_order: 'PG',
  sendmail_path: '/bin/true',
  'session.cache_limiter': 'private',
  'session.cookie_samesite': 'Lax',
  'session.name': 'OTHER',
  'session.save_handler': 'files',
  'session.save_path': '{folder}/www',
  'session.serialize_handler': 'php_serialize',
  'session.sid_bits_per_character': '6',
  'session.sid_length': '48',
  'session.upload_progress.freq': '3%',
  'session.upload_progress.name': 'progress',
  'session.upload_progress.prefix': 'prefix_',
  'soap.wsdl_cache_dir': '{folder}',
  sys_temp_dir: '{folder}/tmp',
  unserialize_callback_func: 'strlen',
  upload_max_filesize: '8M',
  upload_tmp_dir: '{folder}/tmp',
  user_agent: 'test/1',
  'user_ini.filename': '.other.ini',
  variables_order: 'EGPCS',
  'zlib.output_handler': '',
};

const ALL_PHP = `<?php
echo json_encode([
  'ini' => ini_get_all(),
  'functions' => [function_exists('exec'), function_exists('passthru'), function_exists('popen'), function_exists('system')],
  'zone' => date_default_timezone_get(),
  'realpath' => realpath_cache_size(),
  'language' => function_exists('mb_language') ? mb_language() : '',
  'environment' => getenv(),
  'included' => array_map('basename', get_included_files()),
  'session' => function_exists('session_name') ? session_name() : '',
  'basedir' => @file_get_contents('/etc/hostname'),
], JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);`;
const files = {
  'all.php': ALL_PHP,
  'prepend.php': '<?php function strtoupper_of_tests($text) { return $text; }',
  'append.php': '<?php ',
};
const BARE: Settings = { 'pm.max_children': 1 };

interface Answer {
  readonly ini: Readonly<Record<string, unknown>>;
  readonly functions: readonly boolean[];
}

/** One pool with a php-cgi of its own, and one that was forked, else alike. */
async function bothWays(
  t: TestContext,
  settings: Settings,
  more: Readonly<Record<string, string>> = {},
): Promise<[Daemon, Answer, Answer]> {
  // The first pool is alone when it starts.
  const tsfpm = await startTsfpm(t, {
    files: { ...files, ...more },
    pools: { own: { ...BARE, ...settings }, forked: { ...BARE, ...settings } },
  });
  const [template, executed, fork] = ['template', 'zygote own', 'zygote forked'].map((title) => {
    const found = tsfpm.family().find((info) => info.title === `tsfpm: ${title}`);
    return found && programAddress(found.pid);
  });
  assert.notEqual(executed, template);
  assert.equal(fork, template);
  const [own, forked] = [
    await tsfpm.getJson<Answer>('all.php', { pool: 'own' }),
    await tsfpm.getJson<Answer>('all.php', { pool: 'forked' }),
  ];
  return [tsfpm, own, forked];
}

/** Of a setting that is a number or a switch. */
function otherValue(name: string, defaults: Readonly<Record<string, unknown>>): string | undefined {
  const value = VALUES[name];
  if (value !== undefined) return value;
  const { global_value: now } = (defaults[name] ?? {}) as { global_value?: string | null };
  if (now === undefined) return undefined; // not in this PHP
  if (now === '0' || now === '' || now === null) return '1';
  return now === '1' ? '0' : String(Math.abs(Number.parseInt(now, 10) || 1) + 1);
}

const NEEDED_APART = new Set([
  'output_handler',
  'zlib.output_compression',
  'zlib.output_handler',
  'session.auto_start',
]);

test('every setting that is set in a fork is seen there as in a php-cgi of the pool’s own', async (t) => {
  const bare = await startTsfpm(t, { files });
  const { ini: defaults } = await bare.getJson<Answer>('all.php');
  const settings: Record<string, string> = {};
  for (const name of LATE_SETTINGS) {
    const value = otherValue(name, defaults);
    if (value !== undefined && !NEEDED_APART.has(name)) settings[`php_admin_value[${name}]`] = `"${value}"`;
  }
  assert.ok(Object.keys(settings).length > 90);
  const [, own, forked] = await bothWays(t, settings);
  assert.deepEqual(forked, own);
});

for (const name of NEEDED_APART)
  test(`${name}, which changes all that a script prints, is seen in a fork as otherwise`, async (t) => {
    const value = VALUES[name] ?? '1';
    const common = { 'php_admin_value[auto_prepend_file]': '{folder}/www/prepend.php' };
    const [, own, forked] = await bothWays(t, { ...common, [`php_admin_value[${name}]`]: `"${value}"` });
    assert.deepEqual(forked, own);
  });

test('what php.ini disables and the pool disables is the same in a fork as otherwise', async (t) => {
  const ini = PHP_INI === undefined ? '' : readFileSync(PHP_INI, 'utf8');
  const [, own, forked] = await bothWays(
    t,
    { php_ini: '{folder}/www/own.ini', 'php_admin_value[disable_functions]': 'passthru' },
    { 'own.ini': `${ini}\ndisable_functions = system\nmemory_limit = 66M\n` },
  );
  assert.equal(own.functions[1], false);
  assert.deepEqual(forked, own);
});
