import assert from 'node:assert/strict';
import { test } from 'node:test';
import { userByName } from '../../src/os/accounts.js';
import { unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { runIn } from '../helpers/daemon.js';
import { isRoot, type Settings } from '../helpers/daemon-folder.js';
import { FpmAlike } from '../helpers/fpm-alike.js';
import { asOrdinaryUser, ORDINARY_USER, ordinaryFolder, unlessOrdinary } from '../helpers/ordinary-user.js';

const NOBODY = 'no-such-name';
/** What a file may say of accounts, and whether php-fpm's `-t` finds fault with it. */
const NAMES: readonly (readonly [name: string, settings: Settings, isGood?: boolean])[] = [
  ['a user', { user: NOBODY }],
  ['a group', { group: NOBODY }],
  ['a socket’s owner', { 'listen.owner': NOBODY }],
  ['a socket’s group', { 'listen.group': NOBODY }],
  ['a TCP port’s owner', { listen: '127.0.0.1:19', 'listen.owner': NOBODY }],
  ['an owner that an access list makes ignored', { 'listen.owner': NOBODY, 'listen.acl_users': 'daemon' }],
  ['all of them', { user: NOBODY, group: NOBODY, 'listen.owner': NOBODY, 'listen.group': NOBODY }],
  ['an access list', { 'listen.acl_users': NOBODY, 'listen.acl_groups': NOBODY }, true],
  ['a number', { user: 64999, group: 64998, 'listen.owner': 64997, 'listen.group': 64996 }, true],
];

for (const [name, settings, isGood = false] of NAMES)
  for (const who of ['root', 'an ordinary user'] as const)
    test(`-t by ${who} says of ${name} that nobody has what php-fpm says`, {
      skip: unlessPhpFpm || (who === 'root' ? !isRoot && 'needs root' : unlessOrdinary),
    }, async (t) => {
      const user = userByName(ORDINARY_USER);
      const isOrdinary = who !== 'root';
      const folder = ordinaryFolder({ pools: { www: { user: 'www-data', ...settings } } });
      t.after(() => folder.remove());
      const fpm = new FpmAlike(folder);
      const prefix =
        isOrdinary && isRoot
          ? ['setpriv', `--reuid=${user?.uid}`, `--regid=${user?.gid}`, '--clear-groups']
          : [];
      const theirs = fpm.run(['-t'], prefix);
      const ours = await runIn(folder, {
        arguments: ['-t'],
        ...(isOrdinary ? { command: asOrdinaryUser() } : {}),
      });
      assert.equal(ours.code, theirs.code);
      assert.equal(ours.code, isGood ? 0 : 78);
      if (name === 'all of them') {
        // php-fpm stops at the first.
        assert.ok(fpm.inCommon(ours.stderr).startsWith(theirs.text.split('\n')[0] ?? '?'), ours.stderr);
        assert.equal(ours.stderr.split(NOBODY).length, 5);
      } else assert.equal(fpm.inCommon(ours.stderr), theirs.text.replaceAll(fpm.path, folder.path));
    });
