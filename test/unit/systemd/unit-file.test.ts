import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const UNIT = readFileSync(new URL('../../../../conf/tsfpm.service', import.meta.url), 'utf8');
const COMMAND = '/usr/bin/tsfpm';
/** The first systemd that knows Type=notify-reload. */
const NOTIFY_RELOAD = 253;

function systemdVersion(): number | undefined {
  const { stdout } = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8', timeout: 20_000 });
  const version = /^systemd ([0-9]+)/.exec(stdout ?? '')?.[1];
  return version === undefined ? undefined : Number(version);
}

/** The unit with what its comment gives for an older systemd. */
function forOlder(unit: string): string {
  const lines = /^# {3}(Type=notify)\n# {3}(ExecReload=.*)$/m.exec(unit);
  assert.ok(lines, 'the unit says how it is written for an older systemd');
  return unit.replace('Type=notify-reload\n', `${lines[1]}\n${lines[2]}\n`);
}

const version = systemdVersion();
const skip = version === undefined ? 'no systemd-analyze here' : false;

test('systemd finds nothing wrong with the unit', { skip }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-unit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'tsfpm.service');
  const unit = (version ?? 0) < NOTIFY_RELOAD ? forOlder(UNIT) : UNIT;
  // systemd looks whether the command is there; here it is elsewhere.
  writeFileSync(path, unit.replaceAll(COMMAND, process.execPath));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', path], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  const own = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('tsfpm'));
  assert.deepEqual([status, own], [0, []]);
});

test('the unit names only one place of the command', () => {
  assert.deepEqual(
    [...UNIT.matchAll(/^#? *Exec\w+=(\S+)/gm)].map(([, command]) => command),
    [COMMAND, COMMAND],
  );
});
