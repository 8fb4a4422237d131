import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { type ProgramRun, showPhp } from '../../../src/cli/php-info.js';
import { phpinfoText } from '../../../src/cli/phpinfo-text.js';
import { ownVersion } from '../../../src/version.js';
import type { PhpOptions } from '../../../src/zygote/php-arguments.js';

const PHP: PhpOptions = { ini: undefined, noIni: false, defines: [], profileInfo: false };
const VERSION = 'PHP 8.2.36 (cgi-fcgi) (built: Nov 18 2026 20:02:04)\nCopyright (c) The PHP Group\n';

function ask(
  question: 'version' | 'modules' | 'info',
  php: PhpOptions,
  answer: Partial<ProgramRun>,
  environment = {},
) {
  const seen = {
    file: '',
    args: [] as readonly string[],
    environment: {} as NodeJS.ProcessEnv,
    out: '',
    error: '',
  };
  const code = showPhp(question, php, {
    environment,
    writeOut: (text) => {
      seen.out += text;
    },
    writeError: (text) => {
      seen.error += text;
    },
    run: (file, args, given) => {
      Object.assign(seen, { file, args, environment: given });
      return { stdout: '', stderr: '', status: 0, ...answer };
    },
  });
  return { code, ...seen };
}

test('-v is the version of php-cgi under the name of php-fpm, and nothing else', () => {
  const { code, out, file, args } = ask('version', PHP, { stdout: VERSION });
  assert.deepEqual([code, file, args], [0, 'php-cgi', ['-v']]);
  const wanted = VERSION.replace('cgi-fcgi', 'fpm-fcgi').replace(
    '20:02:04)',
    `20:02:04; tsfpm ${ownVersion()})`,
  );
  assert.equal(out, wanted);
});

test('options for PHP go to php-cgi, another binary is taken from -d php_cgi=', () => {
  const php = { ini: '/x', noIni: true, defines: ['a="b c"', 'php_cgi=/opt/php-cgi'], profileInfo: true };
  const { file, args } = ask('modules', php, {});
  assert.deepEqual([file, ...args], ['/opt/php-cgi', '-n', '-c', '/x', '-da="b c"', '-e', '-m']);
});

test('php-cgi sees nothing that would make it answer a request', () => {
  const environment = {
    PATH: '/bin',
    PHPRC: '/x',
    PHP_INI_SCAN_DIR: '/y',
    REQUEST_METHOD: 'GET',
    SCRIPT_FILENAME: '/s',
  };
  const { environment: seen } = ask(
    'modules',
    PHP,
    {},
    { ...environment, HTTP_HOST: 'h', PHP_FCGI_CHILDREN: '3' },
  );
  assert.deepEqual(seen, { PATH: '/bin', PHPRC: '/x', PHP_INI_SCAN_DIR: '/y' });
});

test('a php-cgi that fails is told by name and reason, with exit code 70', () => {
  const failed = ask('version', PHP, { status: 3, stderr: 'no\n' });
  assert.deepEqual([failed.code, failed.out], [70, '']);
  assert.equal(failed.error, 'no\ntsfpm: cannot ask php-cgi about PHP: it ended with code 3\n');
  let error = '';
  const writeError = (text: string) => {
    error += text;
  };
  const php = { ...PHP, defines: ['php_cgi=/nope/php-cgi'] };
  assert.equal(showPhp('version', php, { environment: {}, writeOut: () => {}, writeError }), 70);
  assert.match(error, /^tsfpm: cannot ask \/nope\/php-cgi about PHP: there is no such program/);
});

test('-i turns the page into lines of text', () => {
  const html = `<html><head><style>b {}</style></head>
<body><div class="center">
<table>
<tr class="h"><td>
<a href="x"><img src="data:,"></a><h1 class="p">PHP Version 8.2.36</h1>
</td></tr>
</table>
<table>
<tr><td class="e">Server API </td><td class="v">CGI/FastCGI </td></tr>
</table>
<hr />
<h1>Configuration</h1>
<h2><a name="module_cgi-fcgi">cgi-fcgi</a></h2>
<table>
<tr class="h"><th>Directive</th><th>Local Value</th><th>Master Value</th></tr>
<tr><td class="e">cgi.nph</td><td class="v">&lt;b&gt; &amp;amp; &#039;x&#039;</td><td class="v"><i>no value</i></td></tr>
</table>
</div></body></html>`;
  const { out, args } = ask('info', PHP, { stdout: html });
  assert.deepEqual(args, ['-q', '-i']);
  const rule = ` ${'_'.repeat(71)}`;
  assert.equal(
    out,
    `phpinfo()
PHP Version => 8.2.36

Server API => FPM/FastCGI

${rule}

Configuration

cgi-fcgi

php-fpm => active

Directive => Local Value => Master Value
cgi.nph => <b> &amp; 'x' => no value
`,
  );
});

test('a page that is none gives text all the same', () => {
  assert.equal(phpinfoText(''), 'phpinfo()\n\n');
  assert.equal(phpinfoText('&#99999999;&nope;<tr><td>'), `phpinfo()\n\u{10FFFF}&nope;\n`);
});

const hasPhp = spawnSync('php-cgi', ['-v'], { stdio: 'ignore', timeout: 10_000 }).status === 0;

test('the real php-cgi answers', { skip: hasPhp ? false : 'php-cgi is not installed' }, () => {
  let out = '';
  const context = {
    environment: { ...process.env, REQUEST_METHOD: 'GET', SCRIPT_FILENAME: '/nope' },
    writeError: () => {},
    writeOut: (text: string) => {
      out += text;
    },
  };
  assert.equal(showPhp('version', PHP, context), 0);
  assert.match(out, /^PHP \S+ \(fpm-fcgi\) \(built: /);
  assert.equal(showPhp('modules', PHP, context), 0);
  assert.match(out, /^\[PHP Modules\]$/m);
  assert.equal(showPhp('info', PHP, context), 0);
  assert.match(out, /^Server API => FPM\/FastCGI$/m);
  assert.doesNotMatch(out, /<\/?t[dr]/);
});
