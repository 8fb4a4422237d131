import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandHelp, commandOf } from '../../../src/cli/command-help.js';
import { parseCommandLine } from '../../../src/cli/options.js';
import { COMMANDS } from '../../../src/cli/program.js';

for (const name of COMMANDS)
  test(`the help of ${name} has its options, and an example that is right`, () => {
    const text = commandHelp(name, 'tsfpm');
    assert.ok(text.startsWith(`Usage: tsfpm ${name}`));
    for (const { flags } of commandOf(name).options) assert.ok(text.includes(`\n  ${flags}`), flags);
    const [, example = ''] = /^Example: tsfpm (.*)$/m.exec(text) ?? [];
    const [words = ''] = example.split(' > ');
    assert.notEqual(parseCommandLine(words.split(' '), 'tsfpm').verb, 'usage-error', words);
  });
