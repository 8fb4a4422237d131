import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyValue, PoolConfig } from '../../../src/config/config.js';
import { type FolderIdentity, sharingProblems } from '../../../src/zygote/opcache-share.js';

const pool = (name: string, settings: Partial<PoolConfig> = {}): PoolConfig =>
  ({ name, phpValue: [], phpAdminValue: [], opcacheShare: 's', user: 'u', ...settings }) as PoolConfig;
const entry = (key: string, value: string): KeyValue => ({ key, value });
const off = (name: string) => ({ phpAdminValue: [entry(name, '0')] });

/** The roots of two file systems, and a folder on the first. */
const FOLDERS: Readonly<Record<string, FolderIdentity>> = {
  '/': { device: 1, inode: 2 },
  '/mount': { device: 2, inode: 2 },
  '/jail': { device: 1, inode: 77 },
};

function linesOf(...pools: PoolConfig[]): string[] {
  const identify = (path: string) => FOLDERS[path];
  const programOf = (phpCgi = 'php-cgi') => (phpCgi === 'php-cgi' ? '/usr/bin/php-cgi' : phpCgi);
  return sharingProblems(pools, { identify, programOf }).map(({ level, message }) => `${level}: ${message}`);
}

test('pools that are alike share, and so do those that differ in what PHP takes later', () => {
  const limited = pool('c', { phpAdminValue: [entry('memory_limit', '1G')] });
  assert.deepEqual(linesOf(pool('a'), pool('b'), limited), []);
});

test('php_cgi is compared by what it stands for', () => {
  assert.deepEqual(linesOf(pool('a'), pool('b', { phpCgi: '/usr/bin/php-cgi' })), []);
});

test('of two names nothing is compared, nor of pools without a name', () => {
  const other = { phpCgi: '/other' };
  const none = { ...other, opcacheShare: undefined };
  assert.deepEqual(linesOf(pool('a'), pool('b', { ...other, opcacheShare: 't' }), pool('c', none)), []);
});

const NOT_SHARED = `warning: [pool b] 'opcache.share = s' is not shared with pool 'a':`;
for (const [settings, reason] of [
  [{ phpCgi: '/php-cgi8.3' }, 'it has another php_cgi'],
  [{ phpIni: '/php.ini' }, 'it has another php_ini'],
  [{ phpSapiName: 'cgi-fcgi' }, 'it has another php_sapi_name'],
  [
    { phpAdminValue: [entry('disable_functions', 'exec')] },
    'it has another disable_functions, which PHP takes at its start alone',
  ],
  [
    { phpValue: [entry('opcache.jit', 'off')] },
    'it has another opcache.jit, which PHP takes at its start alone',
  ],
] as const satisfies readonly [Partial<PoolConfig>, string][])
  test(`not shared: ${reason}`, () => {
    assert.deepEqual(linesOf(pool('a'), pool('b', settings)), [`${NOT_SHARED} ${reason}`]);
  });

test('not shared: settings in another order', () => {
  const [x, y] = [entry('apc.shm_size', '8M'), entry('opcache.jit', 'off')];
  assert.deepEqual(linesOf(pool('a', { phpValue: [x, y] }), pool('b', { phpValue: [y, x] })), [
    `${NOT_SHARED} it has its settings of PHP in another order`,
  ]);
});

const SHARED_BUT = `warning: [pool b] by 'opcache.share = s' it shares with pool 'a', but`;

test('jails are safe, unless opcache.validate_root is off', () => {
  assert.deepEqual(linesOf(pool('a'), pool('b', { chroot: '/jail' })), []);
  const settings = off('opcache.validate_root');
  assert.deepEqual(linesOf(pool('a', settings), pool('b', { ...settings, chroot: '/jail' })), [
    `${SHARED_BUT} has another root, and opcache.validate_root is off: each runs scripts of the other at the same path`,
  ]);
  assert.deepEqual(linesOf(pool('a', settings), pool('b', settings)), []);
});

test('users are safe, unless opcache.validate_permission is off', () => {
  assert.deepEqual(linesOf(pool('a'), pool('b', { user: 'v' })), []);
  const settings = off('opcache.validate_permission');
  assert.deepEqual(linesOf(pool('a', settings), pool('b', { ...settings, user: 'v' })), [
    `${SHARED_BUT} has another user, and opcache.validate_permission is off: ` +
      'each runs scripts that only the other may read',
  ]);
});

test('two roots that opcache takes for one', () => {
  const lines = [
    `${SHARED_BUT} has another root with the same inode number: each runs scripts of the other at the same path`,
  ];
  assert.deepEqual(linesOf(pool('a'), pool('b', { chroot: '/mount' })), lines);
  assert.deepEqual(linesOf(pool('a'), pool('b', { chroot: '/gone' }), pool('c', { chroot: '/' })), []);
});
