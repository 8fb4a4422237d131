import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

// The kernel of a test machine seldom has AppArmor: here a folder stands for /proc.

const RUNTIME = fileURLToPath(new URL('../../../../src/runtime', import.meta.url));
const folder = mkdtempSync('/tmp/tsfpm-apparmor-');
const program = join(folder, 'change');
after(() => rmSync(folder, { recursive: true }));

/** Arguments: the folder and the hat. Prints the result, errno and the present profile. */
const MAIN = `
#define _GNU_SOURCE
#include "apparmor.h"
#include "libc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
const struct tsfpm_libc *tsfpm_libc(void)
{
    static const struct tsfpm_libc libc = {.read = read, .write = write, .close = close};
    return &libc;
}
int main(int argc, char **argv)
{
    char confinement[4096];
    if (argc != 3) return 2;
    int proc = open(argv[1], O_PATH | O_DIRECTORY);
    errno = 0;
    int result = tsfpm_apparmor_change(proc, argv[2], confinement, sizeof confinement);
    printf("%d %d %s", result, result == 0 ? 0 : errno, confinement);
    return 0;
}`;

before(() => {
  writeFileSync(join(folder, 'main.c'), MAIN);
  const sources = [join(folder, 'main.c'), join(RUNTIME, 'apparmor.c')];
  const flags = ['-std=c11', '-Wall', '-Wextra', '-Werror', `-I${RUNTIME}`, '-o', program];
  const { status, stderr } = spawnSync(process.env.CC || 'cc', [...flags, ...sources], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

/** @param current path of the file of the present profile, below self/attr */
function change(name: string, files: Readonly<Record<string, string>>, hat = 'shop') {
  const proc = join(folder, name);
  mkdirSync(join(proc, 'self/attr/apparmor'), { recursive: true });
  for (const [path, text] of Object.entries(files)) writeFileSync(join(proc, 'self/attr', path), text);
  const { stdout, signal } = spawnSync(program, [proc, hat], { encoding: 'utf8' });
  assert.equal(signal, null);
  const written = Object.fromEntries(
    Object.keys(files).map((path) => [path, readFileSync(join(proc, 'self/attr', path), 'utf8')]),
  );
  return { stdout, written };
}

const ENOENT = 2;
const EINVAL = 22;
const ENAMETOOLONG = 36;

test('the hat is a subprofile of the present one, without its mode', () => {
  const { stdout, written } = change('enforced', { 'apparmor/current': '/usr/bin/tsfpm (x) (enforce)\n' });
  assert.equal(stdout, '0 0 /usr/bin/tsfpm (x)');
  assert.match(written['apparmor/current'] ?? '', /^changeprofile \/usr\/bin\/tsfpm \(x\)\/\/shop/);
});

test('where AppArmor has a folder of its own, the file that all share is left alone', () => {
  const { written } = change('both', {
    'apparmor/current': 'a (complain)\n',
    current: 'system_u:system_r:init_t',
  });
  assert.equal(written.current, 'system_u:system_r:init_t');
  assert.match(written['apparmor/current'] ?? '', /^changeprofile a\/\/shop/);
});

test('older kernels have one file for all, and an unconfined process no mode', () => {
  const { stdout, written } = change('old', { current: 'unconfined\n' });
  assert.equal(stdout, '0 0 unconfined');
  assert.match(written.current ?? '', /^changeprofile unconfined\/\/shop/);
});

for (const [what, files, hat, expected] of [
  ['there is no file', {}, 'shop', `-1 ${ENOENT} `],
  ['the profile has no name', { 'apparmor/current': '' }, 'shop', `-1 ${EINVAL} `],
  ['the profile is too long to be true', { 'apparmor/current': 'x'.repeat(5000) }, 'shop', `-1 ${EINVAL} `],
  ['the hat is too long', { 'apparmor/current': 'a' }, 'h'.repeat(9000), `-1 ${ENAMETOOLONG} a`],
] as const)
  test(`nothing changes where ${what}`, () => {
    const { stdout, written } = change(what.replaceAll(' ', '-'), files, hat);
    assert.equal(stdout, expected);
    assert.deepEqual(written, files);
  });
