import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { completionScript } from '../../../src/cli/completion.js';

const hasShell = (name: string) =>
  spawnSync(name, ['-c', 'true']).status === 0 ? false : `${name} is not installed`;

/** What bash offers after these words, the last of which is being written. */
function offered(words: readonly string[], folder = '/'): string[] {
  const program = `${completionScript('bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tsfpm; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', program, 'bash', 'tsfpm', ...words], {
    encoding: 'utf8',
    cwd: folder,
  });
  assert.equal(stderr, '');
  return stdout.split('\n').filter((line) => line !== '');
}

test('bash completes commands, their options, and files', { skip: hasShell('bash') }, (t) => {
  assert.deepEqual(offered(['sta']), ['status']);
  assert.ok(offered(['']).includes('completion'));
  assert.deepEqual(offered(['status', '--po']), ['--pool']);
  assert.deepEqual(offered(['reload', '--po']), []);
  assert.deepEqual(offered(['completion', '']), ['bash', 'zsh', '--help']);
  assert.ok(offered(['-t', '--fpm']).includes('--fpm-config'));
  const folder = mkdtempSync('/tmp/tsfpm-completion-');
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'site.conf'), '');
  assert.deepEqual(offered(['reload', '-y', 'si'], folder), ['site.conf']);
  assert.deepEqual(offered(['-y', 'si'], folder), ['site.conf']);
});

test('zsh takes its script', { skip: hasShell('zsh') }, () => {
  const { status, stderr } = spawnSync('zsh', ['-n'], { input: completionScript('zsh'), encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, '']);
  assert.match(completionScript('zsh'), /^#compdef tsfpm\n/);
});
