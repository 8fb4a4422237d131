import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { startNginx } from '../helpers/nginx.js';
import { SLEEP_PHP } from '../helpers/scaling-pools.js';
import { freePort } from '../helpers/two-pools.js';
import { sleep } from '../helpers/wait.js';
import { BrowserPage } from './chromium.js';
import { nameOf, serveManyPools } from './many-pools.js';

const HOSTILE = '/<script>alert(1)</script><img src=x onerror=alert(2)>"\'&\x1b[31m\u202e';
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 800 };
const IS_LIVE = `document.getElementById('state')?.textContent === 'live'`;
const POOLS_SHOWN = `${IS_LIVE} && document.querySelectorAll('.details .spark').length === 8`;

/** Requests until the test is over, some of them hostile, and one that takes long. */
function load(t: TestContext, tsfpm: Daemon): void {
  let isOver = false;
  const request = (pool: string, ms: number, uri: string) =>
    tsfpm.get('sleep.php', { pool, params: { QUERY_STRING: `ms=${ms}`, SCRIPT_NAME: uri } }).catch(() => {});
  const running = ['www', 'shop'].flatMap((pool) => [
    (async () => {
      while (!isOver) await request(pool, 20, '/index.php');
    })(),
    (async () => {
      while (!isOver) await request(pool, 1500, HOSTILE);
    })(),
  ]);
  t.after(async () => {
    isOver = true;
    await Promise.all(running);
  });
}

async function daemon(t: TestContext, more: Record<string, string> = {}) {
  const port = await freePort();
  const pool = { 'pm.max_children': 3, 'pm.status_path': '/status.php', ...more };
  const tsfpm = await startTsfpm(t, {
    global: { 'http.listen': `127.0.0.1:${port}` },
    pools: { www: pool, shop: { 'pm.max_children': 2 } },
    files: { 'sleep.php': SLEEP_PHP },
    // A page that is open keeps a connection to the server.
    isUnchecked: true,
  });
  return { tsfpm, url: `http://127.0.0.1:${port}` };
}

/** Nothing went wrong, and nobody else was asked. */
function assertClean({ events }: BrowserPage, origin: string): void {
  assert.deepEqual(events.complaints, []);
  assert.deepEqual(events.dialogs, []);
  const others = events.requests.filter((url) => !url.startsWith(`${origin}/`) && !url.startsWith('data:'));
  assert.deepEqual(others, []);
}

test('the page of the HTTP server shows all pools, and hostile requests as text', async (t) => {
  const { tsfpm, url } = await daemon(t);
  load(t, tsfpm);
  const page = await BrowserPage.open(t);
  await page.send('Page.navigate', { url: `${url}/` });
  await page.until('the pools are shown', POOLS_SHOWN);
  await page.until(
    'there is a rate',
    `/^[0-9.]+$/.test(document.querySelector('.details .now').textContent)`,
  );
  await page.until(
    'lines are drawn',
    `[...document.querySelectorAll('.rate path.area')].every((each) => each.getAttribute('d').includes('L'))`,
  );
  const names = await page.evaluate(
    `[...document.querySelectorAll('.pool .name bdi')].map((each) => each.textContent)`,
  );
  assert.deepEqual((names as string[]).sort(), ['shop', 'www']);
  await page.until(
    'the hostile request is shown',
    `document.querySelector('#slow td.request')?.textContent.includes('<script>alert(1)</script>') === true`,
  );
  const hostile = await page.evaluate<string>(`document.querySelector('#slow td.request').textContent`);
  assert.equal(
    hostile,
    `GET /<script>alert(1)</script><img src=x onerror=alert(2)>"'&\ufffd[31m\ufffd?ms=1500`,
  );
  assert.equal(
    await page.evaluate(
      `document.querySelectorAll('#slow script, #slow img, #workers script, #workers img').length`,
    ),
    0,
  );
  assert.equal(await page.evaluate(`document.querySelectorAll('#workers tbody tr').length`), 5);
  assertClean(page, url);
});

test('it can be filtered, sorted and paused, by the keyboard too', async (t) => {
  const { tsfpm, url } = await daemon(t);
  load(t, tsfpm);
  const page = await BrowserPage.open(t);
  await page.send('Page.navigate', { url: `${url}/` });
  await page.until('the pools are shown', POOLS_SHOWN);
  const rows = `[...document.querySelectorAll('#workers tbody tr')]`;
  await page.evaluate(`document.getElementById('filter').focus()`);
  await page.send('Input.insertText', { text: 'SHOP' });
  await page.until('only two are left', `${rows}.length === 2`);
  await page.evaluate(`document.getElementById('filter').select()`);
  await page.send('Input.insertText', { text: 'nothing of that kind' });
  await page.until('none is left', `${rows}[0].textContent === 'No such workers.'`);
  await page.evaluate(
    `document.getElementById('filter').value = ''; document.querySelector('#workers th button').click()`,
  );
  await page.until(
    'pids rise',
    `${rows}.map((row) => Number(row.cells[0].textContent)).every((pid, i, all) => i === 0 || pid > all[i - 1])`,
  );
  assert.equal(
    await page.evaluate(`document.querySelector('#workers th').getAttribute('aria-sort')`),
    'descending',
  );
  await page.evaluate(`document.getElementById('pause').click()`);
  await page.until('it is paused', `document.getElementById('state').textContent === 'paused'`);
  await sleep(500);
  const asked = page.events.requests.length;
  await sleep(2500);
  assert.equal(page.events.requests.length, asked);
  await page.evaluate(`document.getElementById('pause').click()`);
  await page.until('it goes on', POOLS_SHOWN);
  assertClean(page, url);
});

test('it is readable on a phone and at a desk, by day and by night', async (t) => {
  const { tsfpm, url } = await daemon(t);
  load(t, tsfpm);
  const page = await BrowserPage.open(t);
  await page.send('Page.navigate', { url: `${url}/` });
  await page.until('the pools are shown', POOLS_SHOWN);
  await page.until('a request is shown', `document.querySelector('#slow td.request') !== null`);
  const backgrounds = new Set<string>();
  for (const size of [PHONE, DESK])
    for (const scheme of ['light', 'dark'] as const) {
      await page.look({ ...size, scheme });
      assert.ok(
        await page.evaluate(`document.documentElement.scrollWidth <= innerWidth`),
        `${size.width} ${scheme} is too wide`,
      );
      backgrounds.add(await page.evaluate(`getComputedStyle(document.body).backgroundColor`));
      const [worst, where] = await page.evaluate<[number, string]>(WORST_CONTRAST);
      assert.ok(worst >= 4.5, `${scheme}: contrast of ${where} is ${worst}`);
      // A window that shows nothing would be a small file.
      assert.ok((await page.screenshot()).length > 10_000);
    }
  assert.equal(backgrounds.size, 2);
  const heads = await page.evaluate(
    `[...document.querySelectorAll('table')].map((table) => table.caption !== null && [...table.querySelectorAll('thead th')].every((th) => th.scope === 'col'))`,
  );
  assert.deepEqual(heads, [true, true, true]);
  assert.ok(
    await page.evaluate(
      `[...document.querySelectorAll('svg[role=img]')].every((svg) => /now .*, most /.test(svg.getAttribute('aria-label')))`,
    ),
  );
  assertClean(page, url);
});

test('500 pools are a short table: the busiest first, idle ones folded, found by name, opened by a click', async (t) => {
  const { url, lastBytes } = await serveManyPools(t, 500);
  const page = await BrowserPage.open(t);
  await page.look({ ...PHONE, scheme: 'light' });
  await page.send('Page.navigate', { url: `${url}/` });
  const rows = `[...document.querySelectorAll('#pools tr.pool')]`;
  await page.until(
    'they are shown',
    `${IS_LIVE} && ${rows}.length > 0 && ${rows}[0].cells[3].textContent !== '–'`,
  );
  assert.ok(lastBytes() < 40_000, `${lastBytes()} bytes`);
  assert.ok(await page.evaluate(`document.documentElement.scrollHeight < 12_000`));
  assert.ok(await page.evaluate(`document.documentElement.scrollWidth <= innerWidth`));
  assert.ok(
    await page.evaluate(`${rows}.every((row) => row.offsetWidth <= innerWidth)`),
    'no row is cut off',
  );
  assert.match(await page.evaluate<string>(`${rows}[1].cells[1].textContent`), /^8 of 8$/);
  assert.match(
    await page.evaluate<string>(`document.getElementById('fold').textContent`),
    /^Show [0-9]+ idle pools$/,
  );

  const button = `document.querySelector('#pools tr.pool .name button')`;
  assert.equal(await page.evaluate(`document.querySelectorAll('.details').length`), 0);
  await page.evaluate(`${button}.click()`);
  assert.equal(await page.evaluate(`${button}.getAttribute('aria-expanded')`), 'true');
  await page.until('charts are shown', `document.querySelectorAll('.details .spark').length === 4`);
  assert.match(await page.evaluate<string>(`document.querySelector('.axis').textContent`), /^60 s agonow$/);
  await page.evaluate(`${button}.click()`);
  assert.equal(await page.evaluate(`document.querySelectorAll('.details').length`), 0);

  const head = (name: string) =>
    `[...document.querySelectorAll('#pools thead button')].find((each) => each.textContent.startsWith('${name}'))`;
  for (const [name, cell] of [
    ['Queue', 2],
    ['Errors', 7],
  ] as const) {
    await page.evaluate(`${head(name)}.click()`);
    const numbers = await page.evaluate<number[]>(
      `${rows}.map((row) => Number(row.cells[${cell}].textContent))`,
    );
    assert.ok((numbers[0] ?? 0) > 0 && numbers[0] === Math.max(...numbers), `${name}: ${numbers}`);
    assert.equal(await page.evaluate(`${head(name)}.parentElement.getAttribute('aria-sort')`), 'descending');
  }

  await page.evaluate(`document.getElementById('pool-filter').focus()`);
  await page.send('Input.insertText', { text: 'SHOP-' });
  await page.until('the hostile one is left', `${rows}.length === 1`);
  assert.equal(
    await page.evaluate(`${rows}[0].cells[0].textContent`),
    nameOf(3).replace('\u202e', '\ufffd').replace('\u0007', '\ufffd'),
  );
  assert.equal(await page.evaluate(`document.querySelectorAll('main img').length`), 0);
  await page.evaluate(`document.getElementById('pool-filter').select()`);
  await page.send('Input.insertText', { text: 'customer-0499' });
  await page.until('an idle one is found', `${rows}.length === 1`);
  assertClean(page, url);
});

test('4000 pools do not hold up the browser', async (t) => {
  const { url, lastBytes } = await serveManyPools(t, 4000);
  const page = await BrowserPage.open(t);
  await page.send('Page.navigate', { url: `${url}/` });
  await page.until('they are shown', `${IS_LIVE} && document.querySelectorAll('tr.pool').length === 100`);
  assert.ok(lastBytes() < 250_000, `${lastBytes()} bytes`);
  const blockedMs = await page.evaluate<number>(`(async () => {
    let [worst, last] = [0, performance.now()];
    for (const end = last + 6000; last < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      worst = Math.max(worst, performance.now() - last);
      last = performance.now();
    }
    return worst;
  })()`);
  assert.ok(blockedMs < 2000, `${blockedMs} ms`);
  assertClean(page, url);
});

test('while no master answers it says so, and goes on with the next one', async (t) => {
  const { tsfpm, url } = await daemon(t);
  const page = await BrowserPage.open(t);
  await page.send('Page.navigate', { url: `${url}/` });
  await page.until('the pools are shown', POOLS_SHOWN);
  await tsfpm.stop();
  await page.until(
    'it says so',
    `/no answer; trying again/.test(document.getElementById('state').textContent)`,
  );
  await tsfpm.start();
  await page.until('it goes on', POOLS_SHOWN);
  assert.deepEqual(page.events.dialogs, []);
});

test('a pool shows the same page at its status path, through a web server', async (t) => {
  const { tsfpm } = await daemon(t);
  load(t, tsfpm);
  const { url } = await startNginx(t, tsfpm, { pool: 'www' });
  const page = await BrowserPage.open(t);
  await page.send('Page.navigate', { url: `${url}/status.php?html&live` });
  await page.until(
    'the pool is shown',
    `${IS_LIVE} && document.querySelectorAll('.details .spark').length === 4`,
  );
  await page.until(
    'there is a rate',
    `/^[0-9.]+$/.test(document.querySelector('.details .now').textContent)`,
  );
  assert.ok(page.events.requests.includes(`${url}/status.php?json&live`));
  assertClean(page, url);
});

test('a script that found its way into the page would not run, and the test would see it', async (t) => {
  const { url } = await daemon(t);
  const page = await BrowserPage.open(t);
  await page.send('Page.navigate', { url: `${url}/` });
  await page.until('the pools are shown', POOLS_SHOWN);
  await page.evaluate(`(() => {
    const script = document.createElement('script');
    try { script.textContent = 'globalThis.hasRun = true'; } catch {}
    document.body.append(script);
    try { document.body.innerHTML += '<img src="http://127.0.0.1:1/x" onerror="globalThis.hasRun = true">'; } catch {}
    const image = document.createElement('img'); image.src = 'http://127.0.0.1:1/x'; document.body.append(image);
  })()`);
  await sleep(500);
  assert.equal(await page.evaluate('globalThis.hasRun'), undefined);
  assert.ok(
    page.events.complaints.some((each) =>
      /Content Security Policy|TrustedHTML|ContentSecurityPolicy/i.test(each),
    ),
  );
  assert.ok(!page.events.requests.includes('http://127.0.0.1:1/x') || page.events.complaints.length > 0);
});

/** The lowest ratio of a text to what is behind it, by WCAG 2, and whose it is. */
const WORST_CONTRAST = `(() => {
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const colour = (text) => text.match(/[0-9.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = colour(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  let worst = [99, 'nothing'];
  for (const element of document.querySelectorAll('body *')) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== '');
    if (!hasText || element.closest('svg, script, style, noscript') || element.getClientRects().length === 0) continue;
    const [a, b] = [luminance(colour(getComputedStyle(element).color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, element.tagName + '.' + element.className];
  }
  return worst;
})()`;
