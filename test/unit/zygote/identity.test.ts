import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { PoolConfig } from '../../../src/config/config.js';
import { poolAccount } from '../../../src/zygote/identity.js';

const pool = (user?: string, group?: string) => ({ name: 'www', user, group }) as PoolConfig;
const id = (...words: string[]) =>
  execFileSync('id', words, { encoding: 'utf8' }).trim().split(' ').map(Number);
const AS_ROOT = { isRoot: true, allowRoot: false };
const ROOT_ALLOWED = { isRoot: true, allowRoot: true };
const ROOT_REFUSED = {
  name: 'ConfigError',
  message: '[pool www] please specify user and group other than root',
};

test('a name is looked up, with its groups', () => {
  const { identity, home } = poolAccount(pool('www-data'), AS_ROOT);
  assert.deepEqual(
    [identity?.uid, identity?.gid, [...(identity?.groups ?? [])].sort()],
    [id('-u', 'www-data')[0], id('-g', 'www-data')[0], id('-G', 'www-data').sort()],
  );
  assert.equal(home?.name, 'www-data');
});

test('a number that nobody has is taken as it is, without USER and HOME, and needs a group', () => {
  assert.deepEqual(poolAccount(pool('64999', '64998'), AS_ROOT), {
    identity: { uid: 64999, gid: 64998, groups: [64998], user: '64999' },
    home: undefined,
  });
  assert.throws(() => poolAccount(pool('64999'), AS_ROOT), ROOT_REFUSED);
});

test('a number that somebody has brings that user’s groups, but neither USER nor HOME', () => {
  const named = poolAccount(pool('www-data'), AS_ROOT);
  const numbered = poolAccount(pool(String(named.identity?.uid)), AS_ROOT);
  assert.deepEqual(numbered.identity, { ...named.identity, user: String(named.identity?.uid) });
  assert.equal(numbered.home, undefined);
});

test('root without a user may have another group', () => {
  assert.equal(poolAccount(pool(undefined), ROOT_ALLOWED).identity, undefined);
  const { identity } = poolAccount(pool(undefined, 'daemon'), ROOT_ALLOWED);
  assert.deepEqual([identity?.uid, identity?.gid], [0, 1]);
});

test('a group overrides, by name or number', () => {
  assert.equal(poolAccount(pool('www-data', '12345'), AS_ROOT).identity?.gid, 12345);
  assert.equal(poolAccount(pool('www-data', 'daemon'), AS_ROOT).identity?.gid, 1);
});

for (const [user, group, message] of [
  ['no-such-user', undefined, "[pool www] cannot get uid for user 'no-such-user'"],
  ['www-data', 'no-such-group', "[pool www] cannot get gid for group 'no-such-group'"],
] as const)
  test(`user ${user} and group ${group} are refused`, () => {
    assert.throws(() => poolAccount(pool(user, group), AS_ROOT), { name: 'ConfigError', message });
  });

for (const [user, group] of [
  ['root', undefined],
  ['0', undefined],
  ['www-data', 'root'],
  ['www-data', '0'],
  [undefined, undefined],
  ['', undefined],
] as const)
  test(`user ${user} and group ${group} are root, which has to be allowed`, () => {
    assert.throws(() => poolAccount(pool(user, group), AS_ROOT), ROOT_REFUSED);
    poolAccount(pool(user, group), ROOT_ALLOWED);
  });

test('a master that is not root keeps its own identity', () => {
  const { identity, home } = poolAccount(pool('no-such-user'), { isRoot: false, allowRoot: false });
  assert.equal(identity, undefined);
  assert.ok(home?.home);
});
