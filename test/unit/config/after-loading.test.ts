import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AccountLookup,
  accountsOfStart,
  checkAccounts,
  everyAccount,
} from '../../../src/config/accounts-check.js';
import { configOf, POOL } from './memory-disk.js';

const NOBODY: AccountLookup = { uidOf: () => undefined, gidOf: () => undefined };
const EVERYBODY: AccountLookup = { uidOf: () => 1, gidOf: () => 1 };

test('users and groups that do not exist are told in the words of php-fpm', () => {
  const config = configOf(`${POOL}group = g\nlisten.owner = o\nlisten.group = og\n`);
  assert.deepEqual(
    checkAccounts(config, NOBODY, everyAccount).map(({ message }) => message),
    [
      "[pool www] cannot get uid for user 'www-data'",
      "[pool www] cannot get gid for group 'g'",
      "[pool www] cannot get uid for user 'o': Success (0)",
      "[pool www] cannot get gid for group 'og': Success (0)",
    ],
  );
  assert.deepEqual(checkAccounts(config, EVERYBODY, everyAccount), []);
});

test('numbers need no account, and an access list takes the place of owner and group', () => {
  const numbers = configOf(`${POOL}user = 1000\ngroup = 1000\nlisten.owner = 0\n`);
  const list = configOf(`${POOL}user = 5\nlisten.owner = o\nlisten.acl_users = a\n`);
  const isUsed = accountsOfStart(true);
  assert.deepEqual([...checkAccounts(numbers, NOBODY, isUsed), ...checkAccounts(list, NOBODY, isUsed)], []);
});

test('a start asks for the accounts that it uses', () => {
  const told = (text: string, isRoot: boolean) =>
    checkAccounts(configOf(text), NOBODY, accountsOfStart(isRoot)).map(({ error }) => error?.place.directive);
  const names = 'group = g\nlisten.owner = o\nlisten.group = og\n';
  const file = `${POOL}listen = /run/www.sock\n${names}`;
  assert.deepEqual(told(file, true), ['user', 'group', 'listen.owner', 'listen.group']);
  assert.deepEqual(told(file, false), ['listen.owner', 'listen.group']);
  assert.deepEqual(told(`${file}listen.acl_groups = a\n`, false), []);
  assert.deepEqual(told(`${POOL}listen = 9000\n${names}`, true), ['user', 'group']);
});
