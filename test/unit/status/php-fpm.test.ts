import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { StatusFormat } from '../../../src/status/choose.js';
import { encodeCgiPage, pingPage, statusPage } from '../../../src/status/page.js';
import { readPage } from './page-values.js';
import { PHP_FPM, phpFpmVersion, RealPhpFpm } from './real-php-fpm.js';

// The real php-fpm shows its page; we read the values from it, render them ourselves, and must come to the same bytes.

const FORMATS: readonly StatusFormat[] = ['text', 'html', 'xml', 'json', 'openmetrics'];
/** Half an hour off, so that the zone shows. */
const TIME_ZONE = 'Asia/Kolkata';

const version = phpFpmVersion();
const skip = version === undefined ? `${PHP_FPM} is not installed` : false;
const settings = { poweredBy: `PHP/${version}` };
let server: RealPhpFpm;

before(async () => {
  if (version === undefined) return;
  process.env.TZ = TIME_ZONE;
  server = await RealPhpFpm.start({ ...process.env });
});

after(async () => {
  await server?.stop();
});

/** Something to show: strings that need escaping but are harmless, so that ours must not differ. */
async function serveSomething(): Promise<void> {
  await server.get({ SCRIPT_NAME: '/i.php', QUERY_STRING: 'a=1&b=%2F' });
  await server.get({
    SCRIPT_NAME: '/é€😀 "x" <b> \'&amp;\\',
    QUERY_STRING: 'q="<>&é',
    HTTP_AUTHORIZATION: `Basic ${Buffer.from('j"o<é>:pw').toString('base64')}`,
  });
  await server.get({ SCRIPT_NAME: '', QUERY_STRING: 'a' });
}

const split = (answer: Buffer): string => answer.toString().replace(/^.*?\r\n\r\n/s, '');

for (const format of FORMATS) {
  for (const full of [false, true]) {
    const query = [format === 'text' ? '' : format, full ? 'full' : ''].filter(Boolean).join('&');
    test(`our page for ?${query} is php-fpm's to the byte`, { skip }, async () => {
      await serveSomething();
      const theirs = await server.get({ SCRIPT_NAME: '/status', QUERY_STRING: query });
      const pool = readPage(format, split(theirs));
      assert.equal(pool.processes.length, full && format !== 'openmetrics' ? 3 : 0);
      const ours = encodeCgiPage(statusPage(pool, { method: 'GET', query }, settings));
      assert.equal(ours.toString(), theirs.toString());
      assert.deepEqual(ours, theirs);
    });
  }
}

test("our HEAD and ping answers are php-fpm's to the byte", { skip }, async () => {
  const pool = readPage('json', split(await server.get({ SCRIPT_NAME: '/status', QUERY_STRING: 'json' })));
  for (const query of ['', 'json&full', 'openmetrics']) {
    const theirs = await server.get({ SCRIPT_NAME: '/status', QUERY_STRING: query, REQUEST_METHOD: 'HEAD' });
    const ours = encodeCgiPage(statusPage(pool, { method: 'HEAD', query }, settings));
    assert.equal(ours.toString(), theirs.toString());
  }
  for (const method of ['GET', 'HEAD', 'POST']) {
    const theirs = await server.get({ SCRIPT_NAME: '/ping', REQUEST_METHOD: method });
    assert.equal(encodeCgiPage(pingPage('pong', { method }, settings)).toString(), theirs.toString());
  }
});
