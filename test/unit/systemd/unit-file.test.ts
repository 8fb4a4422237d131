import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { unitFor } from '../../../src/systemd/unit-file.js';

const shipped = (name: string) => readFileSync(new URL(`../../../../conf/${name}`, import.meta.url), 'utf8');
const UNIT = shipped('tsfpm.service');
const PLACES = { program: '/usr/bin/tsfpm', config: '/etc/tsfpm.conf', nodeFolder: undefined };

const hasSystemd = spawnSync('systemd-analyze', ['--version'], { timeout: 20_000 }).status === 0;
const skip = hasSystemd ? false : 'no systemd-analyze here';

/** What `systemd-analyze verify` says of units of ours. */
function verify(t: TestContext, units: Readonly<Record<string, string>>): [number | null, string[]] {
  const folder = mkdtempSync(join(tmpdir(), 'tsfpm-unit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(units)) writeFileSync(join(folder, name), text);
  const paths = Object.keys(units).map((name) => join(folder, name));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', ...paths], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return [status, `${stdout}${stderr}`.split('\n').filter((line) => line.includes('tsfpm'))];
}

test('systemd finds nothing wrong with the units', { skip }, (t) => {
  // systemd looks whether the command is there; here it is elsewhere.
  const service = unitFor(UNIT, { ...PLACES, program: process.execPath });
  assert.deepEqual(verify(t, { 'tsfpm.service': service, 'tsfpm.socket': shipped('tsfpm.socket') }), [0, []]);
});

test('the unit that is shipped is for /usr/bin and /etc', () => {
  assert.equal(unitFor(UNIT, PLACES), UNIT);
  const commands = [...UNIT.matchAll(/^Exec\w+=(\S+) .*--config (\S+)/gm)].map(([, ...places]) => places);
  assert.deepEqual(commands, [
    [PLACES.program, PLACES.config],
    [PLACES.program, PLACES.config],
  ]);
});

test('an installation elsewhere gets its own paths, with what systemd would take for something else', {
  skip,
}, (t) => {
  const unit = unitFor(UNIT, {
    program: '/opt/my apps/100%/$HOME/tsfpm',
    config: '/etc/php/$8.4/php-fpm.conf',
    nodeFolder: '/opt/node 20/bin',
  });
  assert.doesNotMatch(unit, /^[^#].*(?:\/usr\/bin\/tsfpm|\/etc\/tsfpm\.conf)/m);
  const commands = unit.split('\n').filter((line) => line.startsWith('Exec'));
  for (const command of commands) {
    assert.match(command, /^Exec\w+="\/opt\/my apps\/100%%\/\$HOME\/tsfpm" /);
    assert.match(command, / --config \/etc\/php\/\$\$8\.4\/php-fpm\.conf /);
  }
  assert.match(unit, /^Environment="PATH=\/opt\/node 20\/bin:\/usr\/local\/sbin:/m);
  const [, lines] = verify(t, { 'tsfpm.service': unit });
  // The command is not there; all else is understood.
  assert.deepEqual(
    [...new Set(lines.map((line) => line.replace(/.*: Command/, 'Command')))],
    ['Command /opt/my apps/100%/$HOME/tsfpm is not executable: No such file or directory'],
  );
});
