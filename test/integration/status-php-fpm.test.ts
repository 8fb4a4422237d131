import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Daemon, startTsfpm } from '../helpers/daemon.js';
import { phpVersion } from '../helpers/php-programs.js';
import { rawAnswer } from '../helpers/status-page.js';
import { sleep } from '../helpers/wait.js';
import { PHP_FPM, phpFpmVersion, RealPhpFpm } from '../unit/status/real-php-fpm.js';

// A real php-fpm and tsfpm side by side, one worker each: the same requests to both must leave the same pages.

const skip = phpFpmVersion()?.startsWith(`${phpVersion()}.`) ? false : `no ${PHP_FPM} of PHP ${phpVersion()}`;

const SCRIPTS = {
  'i.php': '<?php echo "ok";',
  'types.php': `<?php
    $types = fn(array $from) => array_map(fn($value) => is_array($value) ? array_map($GLOBALS['types'], $value) : get_debug_type($value), $from);
    $status = fpm_get_status();
    foreach ($status as $key => $value) if (is_int($value)) $status[$key] = 0;
    foreach ($status['procs'] as &$proc) foreach ($proc as $key => $value) if (!is_string($value)) $proc[$key] = 0;
    echo json_encode([$types(fpm_get_status()), $status]);`,
  'throws.php': `<?php
    foreach ([[1], ['full'], [null, 2]] as $arguments)
      try { echo gettype(fpm_get_status(...$arguments)), "\\n"; }
      catch (Throwable $error) { echo get_class($error), ': ', $error->getMessage(), "\\n"; }
    $function = new ReflectionFunction('fpm_get_status');
    echo $function->getNumberOfParameters(), $function->isInternal() ? 'internal' : 'user';`,
};

type Ask = (params: Readonly<Record<string, string>>, page?: boolean) => Promise<string>;
interface Sides {
  readonly theirs: Ask;
  readonly ours: Ask;
}

async function startBoth(t: TestContext): Promise<Sides> {
  const lines = ['pm.max_children = 1', 'pm.status_listen = {folder}/pages.sock', 'listen.backlog = 100'];
  const environment = { ...process.env, TZ: 'UTC' };
  const real = await RealPhpFpm.start(environment, lines.join('\n'));
  t.after(() => real.stop());
  for (const [name, text] of Object.entries(SCRIPTS)) writeFileSync(join(real.folder, name), text);
  const tsfpm: Daemon = await startTsfpm(t, {
    pools: {
      www: {
        'pm.max_children': 1,
        'pm.status_listen': '{folder}/pages.sock',
        'pm.status_path': '/status',
        'ping.path': '/ping',
        'listen.backlog': 100,
      },
    },
    files: SCRIPTS,
    environment: { TZ: 'UTC' },
  });
  const complete = (folder: string, params: Readonly<Record<string, string>>) => ({
    REQUEST_METHOD: 'GET',
    ...params,
    // Of a script that is not there php-fpm shows no name; tsfpm shows what was asked for.
    SCRIPT_FILENAME: `${folder}${params.SCRIPT_NAME?.endsWith('.php') ? params.SCRIPT_NAME : '/i.php'}`,
  });
  const ourFolder = tsfpm.folder.at('www');
  const side = (answer: Buffer, folder: string) => answer.toString().replaceAll(folder, '/srv');
  return {
    theirs: async (params, page = false) => {
      const socket = page ? join(real.folder, 'pages.sock') : undefined;
      return side(await real.get(complete(real.folder, params), socket), real.folder).replaceAll(
        real.folder.replaceAll('/', '\\/'),
        '\\/srv',
      );
    },
    ours: async (params, page = false) => {
      const address = page ? tsfpm.folder.at('pages.sock') : tsfpm.address();
      return side(await rawAnswer(address, complete(ourFolder, params)), ourFolder).replaceAll(
        ourFolder.replaceAll('/', '\\/'),
        '\\/srv',
      );
    },
  };
}

/** Requests that leave something to see. */
const REQUESTS: readonly Readonly<Record<string, string>>[] = [
  { SCRIPT_NAME: '/i.php', QUERY_STRING: 'a=1&b="2"' },
  {
    SCRIPT_NAME: '/i.php',
    REQUEST_METHOD: 'POST',
    CONTENT_LENGTH: '0',
    HTTP_AUTHORIZATION: `Basic ${btoa('ann:x')}`,
  },
  { SCRIPT_NAME: '/i.php', REQUEST_METHOD: 'OPTIONS', QUERY_STRING: 'é=<b>' },
  { SCRIPT_NAME: '/ping' },
];

/** Values that no two daemons share: times, pids, memory, and what tsfpm tells and php-fpm does not. */
function comparable(page: string): string {
  return page
    .replace(/\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}/g, 'DATE')
    .replace(
      /^(pid|start since|request duration|last request (?:cpu|memory)|listen queue len):( +)[0-9.]+/gm,
      '$1:$2N',
    )
    .replace(
      /("(?:pid|start time|start since|request duration|last request (?:cpu|memory)|listen queue len)"):[0-9.]+/g,
      '$1:N',
    )
    .replace(
      /<(pid|start-time|start-since|request-duration|last-request-(?:cpu|memory)|listen-queue-len)>[0-9.]+/g,
      '<$1>N',
    )
    .replace(/<td>[0-9.]+<\/td>/g, '<td>N</td>')
    .replace(/^(phpfpm_(?:start_since|listen_queue_length)) [0-9]+/gm, '$1 N')
    .replace(/^X-Powered-By: .*\r\n/m, '');
}

for (const query of ['full', 'json&full', 'xml&full', 'html&full', 'openmetrics', ''])
  test(`after the same requests the page ?${query} tells what php-fpm's tells`, { skip }, async (t) => {
    const { theirs, ours } = await startBoth(t);
    for (const request of REQUESTS) {
      await Promise.all([theirs(request), ours(request)]);
      // php-fpm's worker is idle only once its client's leaving has reached it.
      await sleep(50);
      const pages = [
        await theirs({ SCRIPT_NAME: '/status', QUERY_STRING: query }, true),
        await ours({ SCRIPT_NAME: '/status', QUERY_STRING: query }, true),
      ].map(comparable);
      assert.equal(pages[1], pages[0], JSON.stringify(request));
    }
    const own = [
      await theirs({ SCRIPT_NAME: '/status', QUERY_STRING: query }),
      await ours({ SCRIPT_NAME: '/status', QUERY_STRING: query }),
    ].map(comparable);
    assert.equal(own[1], own[0]);
  });

test("fpm_get_status() has php-fpm's keys, types and words", { skip }, async (t) => {
  const { theirs, ours } = await startBoth(t);
  const params = {
    SCRIPT_NAME: '/types.php',
    QUERY_STRING: 'a=b',
    HTTP_AUTHORIZATION: `Basic ${btoa('ann:x')}`,
  };
  const [expected, actual] = [await theirs(params), await ours(params)].map((text) =>
    JSON.parse(text.replace(/^[\s\S]*?\r\n\r\n/, '')),
  );
  assert.deepEqual(actual, expected);
  assert.equal(JSON.stringify(actual), JSON.stringify(expected), 'in the same order');
});

test('fpm_get_status() takes no argument', { skip }, async (t) => {
  const { theirs, ours } = await startBoth(t);
  const params = { SCRIPT_NAME: '/throws.php' };
  assert.equal(
    (await ours(params)).replace(/^[\s\S]*?\r\n\r\n/, ''),
    (await theirs(params)).replace(/^[\s\S]*?\r\n\r\n/, ''),
  );
});
