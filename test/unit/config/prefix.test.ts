import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfigFile } from '../../../src/config/prefix.js';

test('the configuration is looked for in /etc first, then where the Debian package has it', () => {
  const among =
    (...files: readonly string[]) =>
    (file: string) =>
      files.includes(file);
  assert.equal(defaultConfigFile(undefined, among()), '/etc/tsfpm.conf');
  assert.equal(defaultConfigFile('', among('/etc/tsfpm/tsfpm.conf')), '/etc/tsfpm/tsfpm.conf');
  assert.equal(
    defaultConfigFile(undefined, among('/etc/tsfpm/tsfpm.conf', '/etc/tsfpm.conf')),
    '/etc/tsfpm.conf',
  );
  assert.equal(defaultConfigFile('/opt/x', among('/etc/tsfpm.conf')), '/opt/x/etc/tsfpm.conf');
});
