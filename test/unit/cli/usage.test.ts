import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usageText } from '../../../src/cli/usage.js';
import { ownVersion } from '../../../src/version.js';

const text = usageText('some-name');

test('the usage begins like that of php-fpm', () => {
  assert.equal(
    text.split('\n')[0],
    'Usage: some-name [-n] [-e] [-h] [-i] [-m] [-v] [-t] [-p <prefix>] [-g <pid>] [-c <file>] [-d foo[=bar]] [-y <file>] [-D] [-F [-O]]',
  );
  assert.ok(text.endsWith('\n'));
});

test('it ends with our version, which -v tells behind that of PHP', () => {
  assert.match(ownVersion(), /^\d+\.\d+\.\d+$/);
  assert.ok(text.endsWith(`\nThis is tsfpm ${ownVersion()}.\n`));
});

test('every option has its place', () => {
  for (const option of [
    '-c',
    '-n',
    '-d',
    '-e',
    '-h',
    '-i',
    '-m',
    '-v',
    '-p',
    '-g',
    '-y',
    '-t',
    '-D',
    '-F',
    '-O',
    '-R',
  ]) {
    assert.match(text, new RegExp(`^  ${option}, --`, 'm'));
  }
  assert.doesNotMatch(text, /-\?/);
});

test('the commands for a running master, their options and exit codes have theirs', () => {
  assert.match(text, /^ {7}some-name status\|reload\|stop\|reopen\|upgrade\|test /m);
  for (const option of ['-y, --config', '-g, --pid', '--control', '--json', '--timeout'])
    assert.match(text, new RegExp(`^  ${option} `, 'm'));
  for (const code of ['0 it has happened', '1 it has not', '69 no master answers', '75 no outcome'])
    assert.ok(text.replaceAll('\n', ' ').includes(code), code);
});
