import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '../../bench/site.js';
import { until } from '../../helpers/wait.js';
import { noisyPicture } from '../picture.js';
import type { Site } from '../site.js';

const ANSWERS =
  'redirect status-line status-header code not-modified many type no-type exit fatal fatal-late warning pieces buffers large empty shutdown memory include unknown'.split(
    ' ',
  );

/** No application, but a mirror: what every script may rely on, shown by test/apps/pages. */
const mirror = (name: string, keepsConnections: boolean): Site => ({
  name,
  keepsConnections,
  root: (place) => place.at('www'),
  server: () => '',
  pool: () => ({
    'env[SITE_COLOUR]': 'green',
    'php_value[precision]': '9',
    'php_flag[display_errors]': 'off',
    'php_admin_value[error_log]': undefined,
    'php_admin_flag[allow_url_fopen]': 'off',
    'php_admin_value[memory_limit]': '64M',
  }),
  prepare(place) {
    place.empty('marks');
    cpSync(join(REPOSITORY, 'test/apps/pages'), place.at('www'), { recursive: true });
    writeFileSync(place.at('www', 'piece.inc'), "<?php return 'piece';");
    writeFileSync(place.at('www', 'large.bin'), noisyPicture(1000, 800, 5));
    writeFileSync(place.at('www', 'secret.php'), '<?php echo "secret";', { mode: 0o600 });
    writeFileSync(place.at('www', 'shebang.php'), '#!/usr/bin/php\n<?php echo "after the first line";');
    cpSync(place.at('www', 'show.php'), place.at('www', 'folder.php', 'index.php'), { recursive: true });
  },
  async visit(visitor, step, place) {
    await step('paths, queries and PATH_INFO', async () => {
      for (const path of [
        '/show.php',
        '/show.php?a=1&b[]=2&b[]=%20x&=&c',
        '/show.php/path/info',
        '/show.php/path/info/?x=/y',
        '/show.php/',
        '/show.php/a%20b%2Fc/%C3%BC',
        '/show.php//two',
        '/show.php/other.php/x',
      ])
        (await visitor.get(path)).expect(200, '"sapi"');
    });
    await step('functions, extensions, constants and classes', async () => {
      (await visitor.get('/offers.php')).expect(200, '"fastcgi_finish_request"');
    });
    await step('request headers', async () => {
      const headers = {
        Authorization: `Basic ${Buffer.from('jo:secret').toString('base64')}`,
        Accept: 'text/html, */*;q=0.5',
        'X-Umlaut': 'a b',
        'X-Number-1': '1',
        X_Underscore: 'lost at nginx',
        Proxy: 'http://evil.example/',
        Cookie: 'a=1; b=%20two; c',
        Range: 'bytes=0-1',
        'If-None-Match': '"none"',
      };
      (await visitor.get('/show.php', headers)).expect(200, 'X-Number-1');
    });
    await step('methods and bodies', async () => {
      await visitor.head('/show.php');
      (await visitor.post('/show.php?in=query', { a: '1', 'list[x]': 'zwei ü' })).expect(200);
      const type = { 'Content-Type': 'application/json' };
      for (const method of ['PUT', 'PATCH', 'DELETE', 'POST'])
        (await visitor.send(method, '/show.php', type, Buffer.from('{"a":1}'))).expect(200);
      await visitor.send('OPTIONS', '/show.php');
      await visitor.send('POST', '/show.php', type, Buffer.alloc(0));
    });
    await step('uploads of some MB, and one that is too large', async () => {
      const file = {
        field: 'photo',
        name: 'a "b" ü.png',
        type: 'image/png',
        content: noisyPicture(1200, 1000, 7),
      };
      const none = { ...file, field: 'none', name: '', content: Buffer.alloc(0) };
      (await visitor.upload('/show.php', { title: 'noise' }, [file, none])).expect(200, '"size": 36');
      const large = { ...file, content: Buffer.alloc(16.5 * 1024 * 1024, 'x') };
      (await visitor.upload('/show.php', {}, [large])).expect(200, '"error": 1');
    });
    await step('cookies and sessions', async () => {
      (await visitor.get('/session.php')).expect(200, 'visit 1');
      (await visitor.get('/session.php')).expect(200, 'visit 2');
    });
    await step('answers of every kind', async () => {
      for (const as of ANSWERS) await visitor.get(`/answer.php?as=${as}`);
      for (const as of ['large', 'redirect', 'fatal']) await visitor.head(`/answer.php?as=${as}`);
    });
    await step('a download, and a part of it', async () => {
      (await visitor.get('/range.php')).expect(200);
      (await visitor.get('/range.php', { Range: 'bytes=1000-1000999' })).expect(206);
      await visitor.head('/range.php');
    });
    await step('what is no script', async () => {
      (await visitor.get('/missing.php')).expect(404, 'File not found.');
      (await visitor.get('/missing.php/path')).expect(404);
      await visitor.get('/folder.php');
      await visitor.get('/folder.php/index.php/x');
      await visitor.get('/secret.php');
      await visitor.get('/shebang.php');
    });
    await step('fastcgi_finish_request() answers before the work is done', async () => {
      const answer = await visitor.get('/finish.php');
      answer.expect(200, /^answered$/);
      if (existsSync(place.at('marks', 'done'))) throw new Error('the work was done before the answer');
      writeFileSync(place.at('marks', 'go'), '');
      const done = await until(
        'the work is done',
        () => {
          const path = place.at('marks', 'done');
          return existsSync(path) && readFileSync(path, 'utf8');
        },
        30_000,
      );
      // Later calls are true for as long as the connection is open.
      if (done !== `[true,${keepsConnections},0,"\\/finish.php"]`)
        throw new Error(`after the answer: ${done}`);
    });
  },
  normalisers: [
    {
      what: 'the folders of the two php.ini files',
      pattern: /\/etc\/php\/([0-9.]+)\/(?:cgi|fpm)\b/g,
      by: '/etc/php/$1/SAPI',
    },
    { what: 'the program', pattern: /"\/usr\/(?:bin\/php-cgi|sbin\/php-fpm)[0-9.]*"/g, by: '"<program>"' },
  ],
  browsing: ['/show.php/a/b', '/answer.php?as=large', '/answer.php?as=pieces', '/range.php', '/session.php'],
});

export const probe = mirror('probe', false);
export const probeKept = mirror('probe-kept', true);
