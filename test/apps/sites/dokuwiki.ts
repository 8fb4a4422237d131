import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { noisyPicture } from '../picture.js';
import { giveAway } from '../place.js';
import type { Site } from '../site.js';

const PROGRAM = '/usr/share/dokuwiki';
const PASSWORD = 'correct horse battery';
const PICTURE = noisyPicture(900, 800, 13);

/** Of an installation by hand; Debian's own are spread over /etc and /var. */
const SETTINGS = (data: string) => `<?php
$conf['savedir'] = '${data}';
$conf['userewrite'] = 2; // addresses by PATH_INFO
$conf['updatecheck'] = 0;
$conf['send404'] = 1;
`;

export const dokuwiki: Site = {
  name: 'dokuwiki',
  root: (place) => place.at('www'),
  server: () => 'location ~ ^/(?:data|conf|bin|inc|vendor)/ { return 403; }',
  pool: () => ({ pm: 'ondemand', 'pm.process_idle_timeout': '1s' }),
  prepare(place) {
    place.empty('www');
    const copy = (from: string, to: string) => {
      place.empty('www', to);
      cpSync(from, place.at('www', to), {
        recursive: true,
        dereference: true,
        filter: (path) => !/\/\.ht|\/lib\/plugins\/testing/.test(path),
      });
    };
    copy(PROGRAM, '');
    copy('/etc/dokuwiki', 'conf');
    copy('/var/lib/dokuwiki/data', 'data');
    for (const name of ['local.php', 'users.auth.php', 'acl.auth.php', 'plugins.local.php'])
      rmSync(place.at('www', 'conf', name), { force: true });
    rmSync(place.at('www', 'inc', 'preload.php'));
    writeFileSync(place.at('www', 'conf', 'local.protected.php'), SETTINGS(place.at('www', 'data')));
    giveAway(place.at('www', 'data'));
  },
  async visit(visitor, step, place) {
    await step('install', async () => {
      (await visitor.get('/install.php')).expect(200, 'Enable ACL');
      const fields = {
        l: 'en',
        'd[title]': 'Test doku',
        'd[acl]': 'on',
        'd[superuser]': 'admin',
        'd[fullname]': 'The Admin',
        'd[email]': 'admin@example.org',
        'd[password]': PASSWORD,
        'd[confirm]': PASSWORD,
        'd[policy]': '1',
        'd[license]': 'cc-by-sa',
        submit: '',
      };
      (await visitor.post('/install.php', fields)).expect(
        200,
        'The configuration was finished successfully.',
      );
      rmSync(place.at('www', 'install.php'));
    });
    await step('pages by PATH_INFO, by HEAD, and not there', async () => {
      (await visitor.follow((await visitor.get('/')).expect(302))).expect(
        404,
        'This topic does not exist yet',
      );
      (await visitor.get('/doku.php/wiki:syntax')).expect(200, 'Formatting Syntax');
      await visitor.head('/doku.php/wiki:syntax');
      (await visitor.get('/doku.php/wiki:dokuwiki')).expect(200);
      (await visitor.get('/doku.php/wiki/')).expect(404);
      (await visitor.get('/doku.php/none%20such:p%C3%A4ge')).expect(404);
      (await visitor.get('/doku.php/wiki:syntax?do=export_raw')).expect(
        200,
        '====== Formatting Syntax ======',
      );
      (await visitor.get('/doku.php/wiki:syntax?do=export_xhtml')).expect(200);
      (await visitor.get('/doku.php/start?do=index&idx=wiki')).expect(200, 'wiki:syntax');
      (await visitor.get('/doku.php/start?do=search&q=formatting')).expect(200);
      (await visitor.get('/doku.php/start?do=recent')).expect(200);
      (await visitor.get('/feed.php')).expect(200, '<rdf:RDF');
      (await visitor.get('/lib/exe/css.php?t=dokuwiki')).expect(200, 'dokuwiki');
      (await visitor.get('/lib/exe/js.php?t=dokuwiki')).expect(200);
    });
    await step('log in', async () => {
      (await visitor.get('/doku.php/start?do=login')).expect(200, 'Remember me');
      const fields = { sectok: '', id: 'start', do: 'login', u: 'admin', r: '1' };
      (await visitor.post('/doku.php/start', { ...fields, p: 'wrong' })).expect(403);
      const entered = await visitor.post('/doku.php/start?do=login', { ...fields, p: PASSWORD });
      (await visitor.follow(entered.expect(302))).expect(404, 'The Admin');
      for (const page of [
        'admin',
        'admin&page=config',
        'admin&page=usermanager',
        'profile',
        'admin&page=acl',
      ])
        (await visitor.get(`/doku.php/wiki:syntax?do=${page}`)).expect(200);
    });
    await step('edit a page', async () => {
      const form = (await visitor.get('/doku.php/zoo?do=edit')).expect(200);
      const hidden = ['sectok', 'id', 'rev', 'date', 'prefix', 'suffix', 'changecheck', 'target'];
      const fields = Object.fromEntries(hidden.map((name) => [name, form.field(name)]));
      const wikitext = `====== Zoo ======\n\nA **gnu** & a [[start|lion]].\n\n${'Some more of it, at length. '.repeat(4000)}\n`;
      const more = { ...fields, wikitext, summary: 'more animals' };
      (await visitor.post('/doku.php/zoo', { ...more, 'do[preview]': '1' })).expect(
        200,
        '<strong>gnu</strong>',
      );
      const saved = await visitor.post('/doku.php/zoo', { ...more, 'do[save]': '1' });
      (await visitor.follow(saved.expect(302))).expect(200, '<strong>gnu</strong>');
      (await visitor.get('/doku.php/zoo?do=revisions')).expect(200, 'more animals');
      (await visitor.get('/doku.php/zoo?do=diff')).expect(200);
    });
    await step('upload a picture of some MB', async () => {
      const form = (await visitor.get('/lib/exe/mediamanager.php?ns=wiki')).expect(200);
      const fields = { sectok: form.field('sectok'), ns: 'wiki', mediaid: 'noise.png', call: 'mediaupload' };
      const file = { field: 'qqfile', name: 'noise.png', type: 'image/png', content: PICTURE };
      (await visitor.upload('/lib/exe/ajax.php', fields, [file])).expect(200, '"success":true');
      (await visitor.get('/doku.php/wiki:syntax?do=media&ns=wiki&image=wiki:noise.png')).expect(
        200,
        'noise.png',
      );
    });
    await step('download it, a part of it, and not again', async () => {
      const path = '/lib/exe/fetch.php/wiki:noise.png';
      const whole = (await visitor.get(path)).expect(200);
      if (!whole.body.equals(PICTURE)) throw new Error(`${whole.body.length} bytes came, or others`);
      const part = (await visitor.get(path, { Range: 'bytes=100000-1999999' })).expect(206);
      if (!part.body.equals(PICTURE.subarray(100_000, 2_000_000))) throw new Error('another part came');
      await visitor.get(path, { Range: 'bytes=0-9,100-109' });
      await visitor.get(path, { Range: 'bytes=99999999-' });
      (await visitor.get(path, { 'If-Modified-Since': whole.header('last-modified') })).expect(304);
      (await visitor.get(path, { 'If-None-Match': whole.header('etag') })).expect(304);
      await visitor.head(path);
      (await visitor.get('/lib/exe/fetch.php/wiki:none.png')).expect(404);
      (await visitor.get('/lib/exe/detail.php/wiki:noise.png')).expect(200);
    });
    await step('log out', async () => {
      const page = await visitor.get('/doku.php/start');
      const path = page.find(/href="([^"]*do=logout[^"]*)"/).replaceAll('&amp;', '&');
      const left = (await visitor.get(path)).expect(302);
      (await visitor.follow(left)).expect(200, 'You are currently not logged in!');
    });
  },
  normalisers: [
    { what: 'what signs an address of a picture', pattern: /\btok=[0-9a-f]{6}\b/g, by: 'tok=<token>' },
    { what: 'a date in a text', pattern: /\b20\d\d\/\d\d\/\d\d \d\d:\d\d\b/g, by: '<date>' },
    { what: 'a time', pattern: /\b\d\d:\d\d(?::\d\d)?\b/g, by: '<time>' },
  ],
  browsing: [
    '/doku.php/wiki:syntax',
    '/doku.php/zoo',
    '/doku.php/zoo?do=revisions',
    '/doku.php/wiki:syntax?do=index',
    '/feed.php',
    '/lib/exe/fetch.php/wiki:noise.png',
    '/lib/exe/css.php?t=dokuwiki',
  ],
};
