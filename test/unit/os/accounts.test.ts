import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupByName, groupIdsOfUser, userById, userByName } from '../../../src/os/accounts.js';

test('finds a user by name and by number', () => {
  const root = { name: 'root', uid: 0, gid: 0, home: '/root', shell: userById(0)?.shell ?? '' };
  assert.deepEqual(userByName('root'), root);
  assert.deepEqual(userById(0), root);
  assert.match(root.shell, /^\//);
});

test('finds a group by name and by number', () => {
  assert.deepEqual(groupByName('root'), { name: 'root', gid: 0 });
});

test('knows whom it does not know', () => {
  assert.equal(userByName('no-such-user'), undefined);
  assert.equal(userByName(''), undefined);
  assert.equal(userById(3_999_999_999), undefined);
  assert.equal(groupByName('no-such-group'), undefined);
});

test('starts the groups of a user with the one given', () => {
  assert.equal(groupIdsOfUser('root', 0)[0], 0);
  assert.deepEqual(groupIdsOfUser('no-such-user', 1234), [1234]);
});
