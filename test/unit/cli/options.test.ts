import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandLine, parseCommandLine } from '../../../src/cli/options.js';

const PHP = { ini: undefined, noIni: false, defines: [], profileInfo: false };
const MASTER = {
  configFile: undefined,
  prefix: undefined,
  pidFile: undefined,
  allowRoot: false,
  daemonize: undefined,
  forceStderr: false,
  php: PHP,
};
const run = (options: object = {}) => ({ verb: 'run', ...MASTER, ...options });
const check = (dump: boolean, options: object = {}) => ({ verb: 'test', dump, ...MASTER, ...options });
const defines = (...list: string[]) => ({ php: { ...PHP, defines: list } });
const CONTROL = {
  verb: 'control',
  socket: undefined,
  configFile: undefined,
  prefix: undefined,
  pidFile: undefined,
  json: false,
  timeoutMs: 60_000,
};
const control = (verb: string, options: object = {}) => ({ ...CONTROL, request: { verb }, ...options });
const stop = (kind: string, options: object = {}) => ({
  ...CONTROL,
  request: { verb: 'stop', kind },
  timeoutMs: undefined,
  ...options,
});
const help = { verb: 'help', progName: 'tsfpm' };

/** Words of the command line, separated by blanks, and what they ask for. */
const CASES: readonly [line: string, expected: object][] = [
  ['', run()],
  ['--', run()],
  ['-y FILE', run({ configFile: 'FILE' })],
  ['-yFILE', run({ configFile: 'FILE' })],
  ['-y=FILE', run({ configFile: 'FILE' })],
  ['--fpm-config FILE', run({ configFile: 'FILE' })],
  ['--fpm-config=FILE', run({ configFile: 'FILE' })],
  ['--config FILE', run({ configFile: 'FILE' })],
  ['--config=FILE', run({ configFile: 'FILE' })],
  ['-y a -y b', run({ configFile: 'b' })],
  ['-y -t', run({ configFile: '-t' })],
  ['-y=', run()],
  ['-d fpm.config=FILE', run({ configFile: 'FILE', ...defines('fpm.config=FILE') })],
  ['-d fpm.config=FILE -y f', run({ configFile: 'f', ...defines('fpm.config=FILE') })],
  ['-d fpm.config=FILE -y=', run({ configFile: 'FILE', ...defines('fpm.config=FILE') })],
  ['-t', check(false)],
  ['-tt', check(true)],
  ['-t --test -t', check(true)],
  ['-tty FILE', check(true, { configFile: 'FILE' })],
  ['--test=1', check(false)],
  ['-p dir -g file -R -O', run({ prefix: 'dir', pidFile: 'file', allowRoot: true, forceStderr: true })],
  [
    '--prefix dir --pid file --allow-to-run-as-root --force-stderr',
    run({ prefix: 'dir', pidFile: 'file', allowRoot: true, forceStderr: true }),
  ],
  ['-D', run({ daemonize: true })],
  ['-F', run({ daemonize: false })],
  ['-D -F', run({ daemonize: false })],
  ['--nodaemonize --daemonize', run({ daemonize: true })],
  ['-FDF', run({ daemonize: false })],
  ['-n -e', run({ php: { ...PHP, noIni: true, profileInfo: true } })],
  ['--no-php-ini -c ini', run({ php: { ...PHP, noIni: true, ini: 'ini' } })],
  ['-c a --php-ini b', run({ php: { ...PHP, ini: 'b' } })],
  ['-d a -db=1 -d=c=2 --define d=3', run(defines('a', 'b=1', 'c=2', 'd=3'))],
  ['-h', help],
  ['-?', help],
  ['--usage', help],
  ['-hz', help],
  ['-t --help --nope x', help],
  ['-v', { verb: 'version', php: PHP }],
  ['-tv', { verb: 'version', php: PHP }],
  ['-vz x', { verb: 'version', php: PHP }],
  ['-n --modules', { verb: 'modules', php: { ...PHP, noIni: true } }],
  ['-i', { verb: 'info', php: PHP }],
  ['-it -y FILE', { verb: 'info', php: PHP }],
  ['-i x', { verb: 'info', php: PHP }],
  ['serve', { verb: 'serve', docroot: '.', port: 8080 }],
  ['serve dir --port 90', { verb: 'serve', docroot: 'dir', port: 90 }],
  ['serve --port=0 dir', { verb: 'serve', docroot: 'dir', port: 0 }],
  ['serve --help', { ...help, command: 'serve' }],
  ['demo', { verb: 'demo', port: 8080 }],
  ['demo --port 65535', { verb: 'demo', port: 65535 }],
  ['status', control('status')],
  ['reload', control('reload')],
  ['reopen', control('reopen')],
  ['upgrade', control('upgrade')],
  ['test', control('test')],
  ['status --json --control c', control('status', { json: true, socket: 'c' })],
  ['reload --config f --pid p --prefix d', control('reload', { configFile: 'f', pidFile: 'p', prefix: 'd' })],
  ['reload -y f -g p -p d', control('reload', { configFile: 'f', pidFile: 'p', prefix: 'd' })],
  ['reload --timeout 2.5', control('reload', { timeoutMs: 2500 })],
  ['reload --timeout=0', control('reload', { timeoutMs: undefined })],
  ['stop', stop('finish')],
  ['stop --terminate', stop('terminate')],
  ['stop --kill --timeout 5', stop('kill', { timeoutMs: 5000 })],
  ['reload --help', { ...help, command: 'reload' }],
  ['status --pool www', control('status', { pool: 'www' })],
  ['completion bash', { verb: 'completion', shell: 'bash' }],
  ['trace www', control('trace', { request: { verb: 'trace', target: 'www', hz: 99 } })],
  [
    'trace 17 --sample 1.5s --hz 20 --output f',
    control('trace', {
      request: { verb: 'trace', target: '17', hz: 20, sampleMs: 1500 },
      output: 'f',
      timeoutMs: 61_500,
    }),
  ],
  [
    'trace w --sample 500ms --timeout 0',
    control('trace', {
      request: { verb: 'trace', target: 'w', hz: 99, sampleMs: 500 },
      timeoutMs: undefined,
    }),
  ],
];

const words = (line: string) => line.split(' ').filter((word) => word !== '');

for (const [line, expected] of CASES) {
  test(`'${line}'`, () => assert.deepEqual(parseCommandLine(words(line), 'tsfpm'), expected));
}

const WRONG: readonly [line: string, reason: string][] = [
  ['-z', "unknown option '-z'"],
  ['-zh', "unknown option '-z'"],
  ['-t=', "unknown option '-='"],
  ['-C', "unknown option '-C'"],
  ['--tes', "unknown option '--tes'"],
  ['---t', "unknown option '---t'"],
  ['--constructor', "unknown option '--constructor'"],
  ['-i -z', "unknown option '-z'"],
  ['-t -y', "option '-y' needs an argument"],
  ['-d', "option '-d' needs an argument"],
  ['--fpm-config', "option '--fpm-config' needs an argument"],
  ['--fpm-config=', "option '--fpm-config' needs an argument"],
  ['x', "unknown command 'x'"],
  ['statuss', "unknown command 'statuss', did you mean 'status'?"],
  ['status --jsn', "unknown option '--jsn', did you mean '--json'?"],
  ['-', "unexpected argument '-'"],
  ['-t x -v', "unexpected argument 'x'"],
  ['-t -- x', "unexpected argument 'x'"],
  ['serve a b', 'too many arguments. Expected 1 argument but got 2.'],
  ['serve --port x', "invalid port 'x'"],
  ['serve --port 65536', "invalid port '65536'"],
  ['serve --nope', "unknown option '--nope'"],
  ['reload now', 'too many arguments. Expected 0 arguments but got 1.'],
  ['reload --timeout x', "invalid timeout 'x'"],
  ['reload --timeout 86401', "invalid timeout '86401'"],
  ['reload --kill', "unknown option '--kill'"],
  ['stop --kill --terminate', "option '--kill' cannot be used with option '--terminate'"],
  ['reload --config', "option '-y, --config <file>' argument missing"],
  ['trace', "missing required argument 'pid or pool'"],
  ['trace a b', 'too many arguments. Expected 1 argument but got 2.'],
  ['trace a --sample x', "invalid time 'x' (up to 600 s)"],
  ['trace a --sample 0', "invalid time '0' (up to 600 s)"],
  ['trace a --sample 11m', "invalid time '11m' (up to 600 s)"],
  ['trace a --hz 0', "invalid number of looks '0' (up to 1000)"],
  ['trace a --hz x', "invalid number of looks 'x' (up to 1000)"],
  ['trace a --output f', '--output is for --sample'],
  ['upgraded', "unknown command 'upgraded', did you mean 'upgrade'?"],
  ['demo dir', 'too many arguments. Expected 0 arguments but got 1.'],
];

for (const [line, reason] of WRONG) {
  test(`'${line}' is wrong: ${reason}`, () => {
    const parsed: CommandLine = parseCommandLine(words(line), 'tsfpm');
    assert.equal(parsed.verb, 'usage-error');
    assert.equal('error' in parsed ? parsed.error.message : '', reason);
  });
}

test('an argument may be empty, hold blanks, or look like an option', () => {
  assert.deepEqual(parseCommandLine(['-y', ''], 'tsfpm'), run());
  assert.deepEqual(
    parseCommandLine(['-p', 'a b', '-g', '--help'], 'tsfpm'),
    run({ prefix: 'a b', pidFile: '--help' }),
  );
});

test('one command line leaves nothing behind for the next', () => {
  parseCommandLine(['-tt', '-d', 'a'], 'tsfpm');
  assert.deepEqual(parseCommandLine(['-t'], 'tsfpm'), check(false));
});

const TOP = {
  verb: 'top',
  socket: undefined,
  configFile: undefined,
  prefix: undefined,
  pidFile: undefined,
  json: false,
  once: false,
  intervalMs: undefined,
  sort: 'time',
  filter: '',
  pool: undefined,
};

test('top takes what it shows and how often', () => {
  assert.deepEqual(parseCommandLine(['top'], 'tsfpm'), TOP);
  const words = 'top -y f --once --json --interval 0.5 --sort memory --filter x --pool www'.split(' ');
  assert.deepEqual(parseCommandLine(words, 'tsfpm'), {
    ...TOP,
    configFile: 'f',
    json: true,
    once: true,
    intervalMs: 500,
    sort: 'memory',
    filter: 'x',
    pool: 'www',
  });
  assert.equal(parseCommandLine(['top', '--help'], 'tsfpm').verb, 'help');
  for (const wrong of [
    ['--interval', '0'],
    ['--interval', 'often'],
    ['--interval', '99999'],
    ['--sort', 'size'],
    ['--timeout', '5'],
    ['www'],
  ])
    assert.equal(parseCommandLine(['top', ...wrong], 'tsfpm').verb, 'usage-error', wrong.join(' '));
});
