import { spawnSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { until } from '../../helpers/wait.js';
import { noisyPicture } from '../picture.js';
import { type Place, worker } from '../place.js';
import type { Site } from '../site.js';
import { Visitor } from '../visitor.js';

const PROGRAM = '/usr/share/mediawiki';
const PASSWORD = 'correct horse battery';
const PICTURE = noisyPicture(1100, 1000, 11);

/** As its administrator's guide has it; the program itself stays where Debian put it. */
const SETTINGS = (place: Place) => `
$wgUsePathInfo = true;
$wgArticlePath = "$wgScriptPath/index.php/$1";
$wgEnableUploads = true;
$wgUploadDirectory = '${place.at('images')}';
$wgUploadPath = "$wgScriptPath/img_auth.php";
$wgCacheDirectory = '${place.at('cache')}';
$wgTmpDirectory = '${place.at('tmp')}';
$wgUseImageMagick = false; // PHP's own gd
$wgShowHostnames = false;
$wgFileExtensions[] = 'txt';
`;

function install(place: Place): void {
  const { socket, user, password } = place.database;
  const { status, stdout, stderr } = spawnSync(
    'php',
    [
      `${PROGRAM}/maintenance/install.php`,
      '--dbtype=mysql',
      `--dbserver=localhost:${socket}`,
      '--dbname=mediawiki',
      `--dbuser=${user}`,
      `--dbpass=${password}`,
      `--server=${place.url}`,
      '--scriptpath=',
      `--pass=${PASSWORD}`,
      `--confpath=${place.at('settings')}`,
      '--lang=en',
      'Test wiki',
      'Admin',
    ],
    { encoding: 'utf8', env: { PATH: process.env.PATH, TMPDIR: place.at('tmp') }, ...worker },
  );
  if (status !== 0) throw new Error(`MediaWiki's install.php failed (${status}):\n${stdout}\n${stderr}`);
  appendFileSync(place.at('settings', 'LocalSettings.php'), SETTINGS(place));
}

/** A saved page is put into the index after the answer, by fastcgi_finish_request(). */
async function untilFound(word: string, place: Place): Promise<void> {
  const path = `/api.php?action=query&list=search&srwhat=text&srsearch=${word}&format=json`;
  const unrecorded = new Visitor(place.url);
  await until(`${word} can be found`, async () =>
    (await unrecorded.get(path)).text.includes('"title":"Zoo"'),
  );
}

export const mediawiki: Site = {
  name: 'mediawiki',
  root: () => PROGRAM,
  server: () => `location = / { rewrite ^ /index.php last; }`,
  pool: (place) => ({
    'env[MW_CONFIG_FILE]': place.at('settings', 'LocalSettings.php'),
    'php_admin_value[memory_limit]': '256M',
  }),
  prepare(place) {
    for (const name of ['settings', 'images', 'cache']) place.empty(name);
    install(place);
  },
  async visit(visitor, step, place) {
    await step('pages by PATH_INFO, conditionally, by HEAD, and not there', async () => {
      (await visitor.follow(await visitor.get('/'))).expect(200, 'MediaWiki has been installed.');
      const page = (await visitor.get('/index.php/Main_Page')).expect(200, 'Main Page');
      const since = { 'If-Modified-Since': page.header('last-modified') };
      (await visitor.get('/index.php/Main_Page', since)).expect(304);
      (await visitor.head('/index.php/Main_Page')).expect(200);
      (await visitor.get('/index.php/No_such_page')).expect(404, 'There is currently no text in this page');
      (await visitor.get('/index.php/%C3%9Cber%26_alles%3F/x')).expect(404, 'Über&amp; alles?/x');
      (await visitor.get('/index.php?title=main_Page')).expect(301);
    });
    await step('special pages, styles and interfaces', async () => {
      (await visitor.get('/index.php/Special:Version')).expect(200, '(fpm-fcgi)');
      (await visitor.get('/index.php/Special:AllPages')).expect(200);
      (await visitor.get('/index.php/Special:SpecialPages')).expect(200);
      (await visitor.get('/index.php/Special:RecentChanges?days=30&hidebots=0')).expect(200, 'Main Page');
      (await visitor.get('/index.php?title=Main_Page&action=history')).expect(200, 'MediaWiki default');
      (await visitor.get('/index.php?title=Main_Page&action=raw')).expect(
        200,
        'MediaWiki has been installed',
      );
      const styles =
        '/load.php?lang=en&modules=site.styles%7Cskins.vector.styles.legacy&only=styles&skin=vector';
      (await visitor.get(styles)).expect(200, 'background-color');
      (await visitor.get('/load.php?lang=en&modules=startup&only=scripts&raw=1&skin=vector')).expect(200);
      (await visitor.get('/api.php?action=query&meta=siteinfo&siprop=general|namespaces&format=json')).expect(
        200,
        '"phpsapi":"fpm-fcgi"',
      );
      (await visitor.get('/rest.php/v1/page/Main_Page')).expect(200, '"title":"Main Page"');
      (await visitor.get('/rest.php/v1/page/No_such_page')).expect(404);
      (await visitor.get('/opensearch_desc.php')).expect(200);
    });
    await step('log in', async () => {
      const form = (await visitor.get('/index.php/Special:UserLogin')).expect(200);
      const fields = {
        wpName: 'Admin',
        wploginattempt: 'Log in',
        authAction: 'login',
        title: 'Special:UserLogin',
      };
      const wpLoginToken = form.field('wpLoginToken');
      const path = '/index.php?title=Special:UserLogin';
      (await visitor.post(path, { ...fields, wpLoginToken, wpPassword: 'wrong' })).expect(
        200,
        'Incorrect username or password',
      );
      const entered = await visitor.post(path, { ...fields, wpLoginToken, wpPassword: PASSWORD });
      (await visitor.follow(entered.expect(302))).expect(200, 'Special:UserLogout');
    });
    await step('edit a page', async () => {
      const form = (await visitor.get('/index.php?title=Zoo&action=edit')).expect(200);
      const hidden = [
        'wpEditToken',
        'wpStarttime',
        'wpEdittime',
        'editRevId',
        'parentRevId',
        'wpAutoSummary',
        'oldid',
        'format',
        'model',
      ];
      const fields = Object.fromEntries(hidden.map((name) => [name, form.field(name)]));
      const text = `== Animals ==\nA '''gnu''' & a [[Main Page|lion]].\n${'Some more of it, at length. '.repeat(4000)}`;
      const more = {
        wpTextbox1: text,
        wpSummary: 'more animals',
        wpUnicodeCheck: form.field('wpUnicodeCheck'),
        wpUltimateParam: '1',
      };
      const preview = { ...fields, ...more, wpPreview: 'Show preview' };
      (await visitor.upload('/index.php?title=Zoo&action=submit', preview, [])).expect(200, '<b>gnu</b>');
      const saved = await visitor.upload(
        '/index.php?title=Zoo&action=submit',
        { ...fields, ...more, wpSave: 'Save page' },
        [],
      );
      (await visitor.follow(saved.expect(302))).expect(200, '<b>gnu</b>');
      (await visitor.get('/index.php?title=Zoo&action=history')).expect(200, 'more animals');
      await untilFound('gnu', place);
      (await visitor.get('/index.php?title=Special:Search&search=gnu&fulltext=1')).expect(200, 'Zoo');
    });
    await step('upload a picture of some MB', async () => {
      const form = (await visitor.get('/index.php/Special:Upload')).expect(200);
      const fields = {
        wpEditToken: form.field('wpEditToken'),
        wpSourceType: 'file',
        wpDestFile: 'Noise.png',
        wpUploadDescription: 'Noise, and nothing but',
        wpUpload: 'Upload file',
        title: 'Special:Upload',
      };
      const file = { field: 'wpUploadFile', name: 'noise.png', type: 'image/png', content: PICTURE };
      const uploaded = await visitor.upload('/index.php/Special:Upload', fields, [file]);
      (await visitor.follow(uploaded.expect(302))).expect(200, 'Noise, and nothing but', '1,100 × 1,000');
    });
    await step('download it, a part of it, and not again', async () => {
      const described = await visitor.get('/index.php/File:Noise.png');
      const path = described.find(/href="(\/img_auth\.php\/[^"]*Noise\.png)"/);
      const whole = (await visitor.get(path)).expect(200);
      if (!whole.body.equals(PICTURE)) throw new Error(`${whole.body.length} bytes came, or others`);
      const part = (await visitor.get(path, { Range: 'bytes=100000-2999999' })).expect(206);
      if (!part.body.equals(PICTURE.subarray(100_000, 3_000_000))) throw new Error('another part came');
      (await visitor.get(path, { Range: 'bytes=99999999-' })).expect(416);
      (await visitor.get(path, { 'If-Modified-Since': whole.header('last-modified') })).expect(304);
      await visitor.head(path);
      (await visitor.get('/img_auth.php/0/00/None.png')).expect(403);
      const small = described.find(/src="(\/img_auth\.php\/thumb\/[^"]*)"/);
      (await visitor.get(small)).expect(200);
    });
    await step('log out', async () => {
      const form = (await visitor.get('/index.php/Special:UserLogout')).expect(200);
      const wpEditToken = form.field('wpEditToken');
      (await visitor.post('/index.php?title=Special:UserLogout', { wpEditToken })).expect(
        200,
        'You are now logged out',
      );
      (await visitor.get('/index.php/Zoo')).expect(200, 'Log in');
    });
  },
  normalisers: [
    { what: 'a date in a text', pattern: /\b\d\d:\d\d, \d{1,2} [A-Z][a-z]+ 20\d\d\b/g, by: '<date>' },
    { what: 'its parts in lists', pattern: /\b\d\d(?::|%3A)\d\d\b/g, by: '<time>' },
    {
      what: 'the id of a request',
      pattern: /(X-Request-Id: |"wgRequestId":"|\?reqId=)[0-9a-f]{24}/g,
      by: '$1<request>',
    },
    {
      what: 'the number of edits, counted after the answer',
      pattern: /"wgUserEditCount":\d+/g,
      by: '"wgUserEditCount":<count>',
    },
    { what: 'how long it took', pattern: /"wgBackendResponseTime":\d+/g, by: '<duration>' },
    {
      what: 'the report of the parser',
      pattern:
        /<!-- \nNewPP limit report.*?-->|"wgPageParseReport":\{.*?\}\}|<table class="preview-limit-report.*?<\/table>/gs,
      by: '<report>',
    },
    { what: 'a comment on the cache', pattern: /<!-- Saved in parser cache.*?-->/gs, by: '<cache>' },
    {
      what: 'the version of a module: what it depends on is noted after its first answer',
      pattern: /(",|ETag: W\/)"[0-9a-z]{5}!?"/g,
      by: '$1"<version>"',
    },
    {
      what: 'a version that is made from the time',
      pattern: /(version=|"version":")[0-9a-z]{5}\b/g,
      by: '$1<version>',
    },
  ],
  browsing: [
    '/index.php/Main_Page',
    '/index.php/Zoo',
    '/index.php?title=Zoo&action=history',
    '/index.php/Special:RecentChanges',
    '/index.php/File:Noise.png',
    '/rest.php/v1/page/Zoo',
    '/api.php?action=query&meta=siteinfo&format=json',
  ],
};
