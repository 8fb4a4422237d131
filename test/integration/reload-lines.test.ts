import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unlessPhpFpm } from '../helpers/beside-php-fpm.js';
import { tsfpmCommand } from '../helpers/command.js';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { FpmAlike } from '../helpers/fpm-alike.js';
import { freePort } from '../helpers/ports.js';
import { REFUSED, RELOADED } from '../helpers/reload.js';

/** What tools take for the end of a reload that has worked. */
const SUCCESS = /reloading: |using inherited socket|fpm is running|ready to handle/;

async function twoPools() {
  const [ours, theirs] = [await freePort(), await freePort()];
  return {
    pools: { www: {}, shop: { listen: `127.0.0.1:${ours}` } },
    replaced: { [`127.0.0.1:${ours}`]: `127.0.0.1:${theirs}` },
  };
}

/** Everything from the reload on. */
async function linesOfReload(tsfpm: Daemon, outcome: RegExp): Promise<string> {
  const before = tsfpm.log.text.length;
  tsfpm.signal('SIGUSR2');
  await tsfpm.expectLog(outcome);
  return tsfpm.log.text.slice(before);
}

test('a reload says what php-fpm says, in its order, and nothing between', {
  skip: unlessPhpFpm,
}, async (t) => {
  const { pools, replaced } = await twoPools();
  const tsfpm = await startTsfpm(t, { arguments: [], logTo: 'file', pools });
  const fpm = new FpmAlike(tsfpm.folder, replaced);
  const master = await fpm.start(t);
  const text = await linesOfReload(tsfpm, RELOADED);
  assert.match(text, /NOTICE: reloading: execvp\("(.*\/tsfpm)", \{"\1", "--config", ".*", "-F"\}\)\n/);
  assert.match(text, new RegExp(`fpm is running, pid ${tsfpm.pid}\n`));
  const before = fpm.log.text.length;
  master.signal('SIGUSR2');
  await fpm.log.expect(RELOADED);
  let theirs = fpm.inCommon(fpm.log.text.slice(before));
  for (const [our, their] of Object.entries(replaced)) theirs = theirs.replaceAll(their, our);
  assert.equal(fpm.inCommon(text), theirs);
});

test('what was renewed is told at DEBUG, and by the command', async (t) => {
  const tsfpm = await startTsfpm(t, { global: { log_level: 'debug' } });
  const { stdout } = await tsfpmCommand(tsfpm, 'reload');
  assert.match(stdout, /reloaded; pools renewed: www\n/);
  await tsfpm.expectLog(/ready to handle connections\n.*DEBUG: .*reloaded; pools renewed: www\n/);
});

test('a reload that is refused is an error, and none of the lines that tools wait for', async (t) => {
  const tsfpm = await startTsfpm(t);
  tsfpm.announce(/unknown entry 'nonsense'/, /failed to load configuration/);
  tsfpm.folder.writeConfig('[www]\nnonsense = 1\n');
  assert.doesNotMatch(await linesOfReload(tsfpm, REFUSED), SUCCESS);
  assert.doesNotMatch((await tsfpmCommand(tsfpm, 'status')).stdout, /reloading/);
});

test('a reload that no pool can follow is none either; one that some can follow tells both', async (t) => {
  const pools = { www: {}, shop: {} };
  const tsfpm = await startTsfpm(t, { pools });
  tsfpm.announce(/\[pool (?:www|shop)\] php-cgi '.*missing' cannot be used/, /ERROR: reloaded; pools/);
  const broken = { php_cgi: '{folder}/missing' };
  tsfpm.folder.writePieces({ pools: { www: broken, shop: broken } });
  const none = await linesOfReload(tsfpm, /ERROR: reloaded; pools none; not in force: pool www, pool shop\n/);
  assert.doesNotMatch(none, SUCCESS);
  tsfpm.folder.writePieces({ pools: { www: {}, shop: broken } });
  const some = await linesOfReload(
    tsfpm,
    /ready to handle connections\n.*ERROR: reloaded; pools renewed: www; not in force: pool shop\n/,
  );
  assert.match(some, /reloading: .*\n.*using inherited socket fd=\d+, ".*www\.sock"\n/);
});
