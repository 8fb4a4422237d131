import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PoolConfig } from '../../../src/config/config.js';
import {
  withoutCgiVariables,
  workerEnvironment,
  zygoteEnvironment,
} from '../../../src/zygote/environment.js';

const pool = (settings: Partial<PoolConfig>): PoolConfig =>
  ({ name: 'www', clearEnv: true, env: [], pmMaxChildren: 5, pmMaxRequests: 0, ...settings }) as PoolConfig;
const account = { name: 'www-data', home: '/var/www' };

test('clear_env leaves env[] and the account', () => {
  const env = [{ key: 'A', value: '1' }];
  assert.deepEqual(workerEnvironment(pool({ env }), { PATH: '/bin' }, account), [
    'A=1',
    'USER=www-data',
    'HOME=/var/www',
  ]);
});

test('without clear_env the master’s variables come first and lose', () => {
  const env = [{ key: 'HOME', value: '/own' }];
  assert.deepEqual(
    workerEnvironment(pool({ clearEnv: false, env }), { PATH: '/bin', USER: 'root' }, account),
    ['PATH=/bin', 'USER=www-data', 'HOME=/own'],
  );
});

test('$NAME is the master’s variable, only as a whole value; a missing one is empty', () => {
  const env = ['$SET', '$MISSING', 'a$SET', '$', '$$SET'].map((value, i) => ({ key: `V${i}`, value }));
  const found = Object.fromEntries(
    workerEnvironment(pool({ env }), { SET: 'yes' }, undefined).map((text) => text.split('=')),
  );
  assert.deepEqual(found, { V0: 'yes', V1: '', V2: 'a$SET', V3: '', V4: '' });
});

test('of several entries for one name the first of the file stays', () => {
  const env = [
    { key: 'A', value: 'first' },
    { key: 'A', value: 'second' },
  ];
  assert.deepEqual(workerEnvironment(pool({ env }), {}, undefined), ['A=first']);
});

test('env[] is in the order of the file', () => {
  const env = ['Z', 'A', 'M', 'A'].map((key, i) => ({ key, value: String(i) }));
  assert.deepEqual(workerEnvironment(pool({ env }), {}, undefined), ['Z=0', 'A=1', 'M=2']);
});

test('a php-cgi that does not serve sees no variable of a request', () => {
  const environment = {
    PATH: '/bin',
    PHPRC: '/etc',
    PHP_INI_SCAN_DIR: '/etc/d',
    LANG: 'C',
    REQUEST_METHOD: 'GET',
    SCRIPT_FILENAME: '/x',
    SERVER_SOFTWARE: 'x',
    GATEWAY_INTERFACE: 'CGI/1.1',
    QUERY_STRING: '',
    HTTP_HOST: 'h',
    PHP_FCGI_CHILDREN: '9',
    FCGI_WEB_SERVER_ADDRS: '1.2.3.4',
    EMPTY: undefined,
  };
  assert.deepEqual(Object.keys(withoutCgiVariables(environment)), [
    'PATH',
    'PHPRC',
    'PHP_INI_SCAN_DIR',
    'LANG',
  ]);
});

test('a zygote gets the runtime before what the administrator preloads, and the pool’s limits', () => {
  const zygote = zygoteEnvironment(pool({ pmMaxRequests: 7 }), { LD_PRELOAD: '/lib/a.so' });
  assert.match(zygote.LD_PRELOAD ?? '', /^\/proc\/self\/fd\/[0-9]+:\/lib\/a\.so$/);
  assert.deepEqual([zygote.PHP_FCGI_CHILDREN, zygote.PHP_FCGI_MAX_REQUESTS], ['5', '7']);
});
