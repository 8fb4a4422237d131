import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { until } from '../../helpers/wait.js';
import { noisyPicture } from '../picture.js';
import type { Place } from '../place.js';
import type { Site } from '../site.js';

const PROGRAM = '/usr/share/wordpress';
const PASSWORD = 'correct horse battery';
const PICTURE = noisyPicture(1000, 900, 12);

const CONFIG = ({ database, at }: Place) => `<?php
define('DB_NAME', 'wordpress');
define('DB_USER', '${database.user}');
define('DB_PASSWORD', '${database.password}');
define('DB_HOST', 'localhost:${database.socket}');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
${[
  'AUTH_KEY',
  'SECURE_AUTH_KEY',
  'LOGGED_IN_KEY',
  'NONCE_KEY',
  'AUTH_SALT',
  'SECURE_AUTH_SALT',
  'LOGGED_IN_SALT',
  'NONCE_SALT',
]
  .map((name) => `define('${name}', 'for tests ${name}');`)
  .join('\n')}
$table_prefix = 'wp_';
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('WP_ACCESSIBLE_HOSTS', '127.0.0.1');
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISABLE_WP_CRON', true); // wp-cron.php is called by the visit, at a moment of its own
define('FS_METHOD', 'direct');
define('WP_TEMP_DIR', '${at('tmp')}');
if (!defined('ABSPATH')) define('ABSPATH', __DIR__ . '/');
require_once ABSPATH . 'wp-settings.php';
`;

/** An event of WordPress's cron that takes until it is told to end, and tells that it has ended. */
const SLOW_EVENT = ({ at }: Place) => `<?php
add_action('tsfpm_slow_event', function () {
  for ($i = 0; $i < 6000 && !file_exists('${at('marks', 'go')}'); $i++) { usleep(10000); clearstatcache(); }
  file_put_contents('${at('marks', 'done')}', PHP_SAPI);
});
add_action('init', function () {
  if (isset($_GET['schedule-slow-event'])) wp_schedule_single_event(time() - 1, 'tsfpm_slow_event');
});
// There is no mail server.
add_filter('pre_wp_mail', '__return_true');
`;

export const wordpress: Site = {
  name: 'wordpress',
  root: (place) => place.at('www'),
  server: () => 'location / { try_files $uri $uri/ /index.php?$args; }',
  pool: (place) => ({
    'php_admin_value[memory_limit]': '256M',
    'php_admin_value[open_basedir]': `${place.at('')}:/usr/share:/dev/urandom`,
  }),
  prepare(place) {
    place.empty('marks');
    place.empty('www');
    // Debian's wp-config.php wants its own below /etc: this installation is one by hand, of the same program.
    cpSync(PROGRAM, place.at('www'), {
      recursive: true,
      dereference: true,
      filter: (path) => !/\/(?:wp-config\.php|\.htaccess)$/.test(path),
    });
    writeFileSync(place.at('www', 'wp-config.php'), CONFIG(place));
    mkdirSync(place.at('www', 'wp-content', 'mu-plugins'));
    writeFileSync(place.at('www', 'wp-content', 'mu-plugins', 'tests.php'), SLOW_EVENT(place));
    place.empty('www', 'wp-content', 'uploads');
  },
  async visit(visitor, step, place) {
    await step('install', async () => {
      const first = await visitor.get('/');
      (await visitor.follow(first.expect(302))).expect(200, 'Information needed');
      (await visitor.get('/wp-admin/install.php?step=1')).expect(200, 'Information needed');
      const fields = {
        weblog_title: 'Test blog',
        user_name: 'admin',
        admin_password: PASSWORD,
        admin_password2: PASSWORD,
        admin_email: 'admin@example.org',
        blog_public: '0',
        Submit: 'Install WordPress',
        language: '',
      };
      (await visitor.post('/wp-admin/install.php?step=2', fields)).expect(
        200,
        'WordPress has been installed',
      );
    });
    await step('pages, by pretty addresses, by HEAD, and not there', async () => {
      const home = (await visitor.get('/')).expect(200, 'Hello world!');
      await visitor.head('/');
      const post = home.find(new RegExp(`href="${place.url}(/20[^"]*/hello-world/)"`));
      (await visitor.get(post)).expect(200, 'Welcome to WordPress.');
      (await visitor.get(post.slice(0, -1))).expect(301);
      (await visitor.get(`/index.php${post}`)).expect(301);
      (await visitor.get('/sample-page/')).expect(200, 'Sample Page');
      (await visitor.get('/?p=1')).expect(301);
      (await visitor.get('/?s=world')).expect(200, 'Hello world!');
      (await visitor.get('/no-such-page/')).expect(404);
      (await visitor.get('/author/admin/')).expect(200);
      const feed = (await visitor.get('/feed/')).expect(200, '<rss');
      const headers = {
        'If-None-Match': feed.header('etag'),
        'If-Modified-Since': feed.header('last-modified'),
      };
      (await visitor.get('/feed/', headers)).expect(304);
      (await visitor.get('/wp-json/wp/v2/posts')).expect(200, '"slug":"hello-world"');
      (await visitor.get('/wp-json/wp/v2/posts/999')).expect(404);
      (await visitor.get('/robots.txt')).expect(200);
      (await visitor.get('/xmlrpc.php')).expect(405);
      (await visitor.get('/wp-includes/css/dashicons.min.css')).expect(200);
    });
    await step('a comment of a visitor', async () => {
      const fields = {
        author: 'Jo',
        email: 'jo@example.org',
        url: '',
        comment: 'Nice & <b>short</b>',
        comment_post_ID: '1',
        comment_parent: '0',
        'wp-comment-cookies-consent': 'yes',
      };
      (await visitor.post('/wp-comments-post.php', fields)).expect(302);
    });
    await step('log in', async () => {
      (await visitor.get('/wp-admin/')).expect(302);
      (await visitor.get('/wp-login.php')).expect(200, 'Lost your password?');
      const fields = {
        log: 'admin',
        'wp-submit': 'Log In',
        redirect_to: '/wp-admin/profile.php',
        testcookie: '1',
      };
      (await visitor.post('/wp-login.php', { ...fields, pwd: 'wrong' })).expect(200, 'is incorrect');
      const entered = (await visitor.post('/wp-login.php', { ...fields, pwd: PASSWORD })).expect(302);
      (await visitor.follow(entered)).expect(200, 'Personal Options');
      for (const page of [
        'edit.php',
        'upload.php?mode=list',
        'options-general.php',
        'themes.php',
        'tools.php',
        'users.php',
      ])
        (await visitor.get(`/wp-admin/${page}`)).expect(200, 'Log Out');
    });
    let nonce = '';
    await step('write a page and edit it', async () => {
      nonce = (await visitor.get('/wp-admin/admin-ajax.php?action=rest-nonce')).expect(
        200,
        /^[0-9a-f]{10}$/,
      ).text;
      const headers = { 'X-WP-Nonce': nonce, 'Content-Type': 'application/json' };
      const write = (path: string, fields: object) =>
        visitor.send('POST', path, headers, Buffer.from(JSON.stringify(fields)));
      const page = { title: 'Zoo', content: '<p>A <b>gnu</b></p>', status: 'publish', slug: 'zoo' };
      const written = (await write('/wp-json/wp/v2/pages', page)).expect(201, '"slug":"zoo"');
      const id = (JSON.parse(written.text) as { id: number }).id;
      (await visitor.get('/zoo/')).expect(200, '<b>gnu</b>');
      (await write(`/wp-json/wp/v2/pages/${id}`, { content: '<p>Two <b>lions</b></p>' })).expect(200);
      (await visitor.get('/zoo/')).expect(200, '<b>lions</b>');
      (await visitor.send('POST', '/wp-json/wp/v2/pages', headers, Buffer.from('{"broken'))).expect(400);
      (await visitor.get(`/wp-admin/post.php?post=${id}&action=edit`)).expect(200, 'Zoo');
    });
    await step('upload a picture of some MB', async () => {
      const file = { field: 'async-upload', name: 'noise.png', type: 'image/png', content: PICTURE };
      const form = (await visitor.get('/wp-admin/media-new.php')).expect(200);
      const fields = { _wpnonce: form.field('_wpnonce'), action: 'upload-attachment', name: 'noise.png' };
      const sent = (await visitor.upload('/wp-admin/async-upload.php', fields, [file])).expect(
        200,
        '"success":true',
      );
      const { data } = JSON.parse(sent.text) as { data: { url: string; link: string } };
      const stored = (await visitor.get(data.url)).expect(200);
      if (!stored.body.equals(PICTURE)) throw new Error('another file was stored');
      (await visitor.get(data.url, { Range: 'bytes=100-199' })).expect(206);
      (await visitor.get(data.link)).expect(200, 'noise');
    });
    await step('wp-cron.php answers before its work is done', async () => {
      await visitor.get('/?schedule-slow-event');
      (await visitor.get('/wp-cron.php?doing_wp_cron')).expect(200, /^$/);
      if (existsSync(place.at('marks', 'done'))) throw new Error('the work was done before the answer');
      writeFileSync(place.at('marks', 'go'), '');
      await until('the event of the cron is over', () => existsSync(place.at('marks', 'done')), 60_000);
      const sapi = readFileSync(place.at('marks', 'done'), 'utf8');
      if (sapi !== 'fpm-fcgi') throw new Error(`the event ran under ${sapi}`);
    });
    await step('log out', async () => {
      const profile = await visitor.get('/wp-admin/profile.php');
      const path = profile
        .find(/href="([^"]*wp-login\.php\?action=logout[^"]*)"/)
        .replace(/&(?:amp|#038);/g, '&');
      const left = (await visitor.get(path)).expect(302);
      (await visitor.follow(left)).expect(200, 'You are now logged out');
    });
  },
  normalisers: [
    { what: 'a password that it proposes', pattern: /data-pw="[^"]*"/g, by: 'data-pw="<password>"' },
    {
      what: 'a nonce: it depends on the session',
      pattern: /(["']|nonce(?:=|%3D|: )|^)[0-9a-f]{10}\b(?!-)/gi,
      by: '$1<nonce>',
    },
    {
      what: 'a date in a text',
      pattern: /\b[A-Z][a-z]+ \d{1,2}, 20\d\d(?: at)? \d{1,2}:\d\d [ap]m\b/g,
      by: '<date>',
    },
    { what: 'a time', pattern: /\b\d\d?:\d\d(?::\d\d)?(?: ?[ap]m)?\b/g, by: '<time>' },
    {
      what: 'hours, minutes and seconds of a date in a form',
      pattern: /(class="(?:hh|mn|ss)">|name="(?:hidden_|cur_)?(?:hh|mn|ss)" value=")\d\d/g,
      by: '$1<part>',
    },
    { what: 'one of three equal hosts', pattern: /\b[012]\.gravatar\.com/g, by: 'N.gravatar.com' },
    {
      what: 'when an event of the cron is due',
      pattern: /Automatic update (?:overdue by|scheduled in) \d+ [a-z]+/g,
      by: 'Automatic update <due>',
    },
  ],
  browsing: ['/', '/sample-page/', '/zoo/', '/feed/', '/?s=world', '/wp-json/wp/v2/posts', '/wp-login.php'],
};
