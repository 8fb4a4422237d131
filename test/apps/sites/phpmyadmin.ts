import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import type { Place } from '../place.js';
import type { Site } from '../site.js';
import type { Exchange } from '../visitor.js';

const PROGRAM = '/usr/share/phpmyadmin';
const ROWS = 20_000;

/** A table of some MB, as a file to import. */
const DUMP = Buffer.from(
  `CREATE TABLE animals (id INT PRIMARY KEY, name VARCHAR(80), note TEXT) DEFAULT CHARSET=utf8mb4;\n${Array.from(
    { length: ROWS / 100 },
    (_, block) =>
      `INSERT INTO animals VALUES ${Array.from({ length: 100 }, (_, row) => {
        const id = block * 100 + row + 1;
        return `(${id}, 'gnu ${id}', '${'An ünusually long note on one animal. '.repeat(4)}')`;
      }).join(',\n')};\n`,
  ).join('')}`,
);

const CONFIG = ({ database, at }: Place) => `<?php
$cfg['blowfish_secret'] = 'thirty-two-bytes-for-these-tests';
$cfg['Servers'][1] = ['auth_type' => 'cookie', 'host' => 'localhost', 'socket' => '${database.socket}', 'compress' => false];
$cfg['TempDir'] = '${at('tmp')}';
$cfg['SendErrorReports'] = 'never';
$cfg['VersionCheck'] = false;
`;

export const phpmyadmin: Site = {
  name: 'phpmyadmin',
  root: (place) => place.at('www'),
  server: () => 'location ~ ^/(?:libraries|templates)/ { return 403; }',
  pool: () => ({
    pm: 'dynamic',
    'pm.start_servers': 2,
    'pm.min_spare_servers': 1,
    'pm.max_spare_servers': 3,
    'php_value[session.gc_probability]': '0',
  }),
  prepare(place) {
    place.empty('www');
    cpSync(PROGRAM, place.at('www'), { recursive: true, dereference: true });
    const vendor = place.at('www', 'libraries', 'vendor_config.php');
    const text = readFileSync(vendor, 'utf8')
      .replace('/etc/phpmyadmin/config.inc.php', place.at('config.inc.php'))
      .replace('/var/lib/phpmyadmin/tmp/', `${place.at('tmp')}/`);
    writeFileSync(vendor, text);
    writeFileSync(place.at('config.inc.php'), CONFIG(place));
  },
  async visit(visitor, step, place) {
    let token = '';
    const page = async (route: string, wanted: string): Promise<Exchange> => {
      const got = (await visitor.get(`/index.php?route=${route}`)).expect(200, wanted);
      token = got.field('token');
      return got;
    };
    await step('log in', async () => {
      const form = (await visitor.get('/')).expect(200, 'Welcome to');
      const fields = { set_session: form.field('set_session'), server: '1', route: '/' };
      const { user, password } = place.database;
      const attempt = (exchange: Exchange, pma_password: string) =>
        visitor.post('/index.php?route=/', {
          ...fields,
          set_session: exchange.field('set_session'),
          token: exchange.field('token'),
          pma_username: user,
          pma_password,
        });
      const refused = (await attempt(form, 'wrong')).expect(200, 'Access denied for user');
      const entered = (await attempt(refused, password)).expect(302);
      (await visitor.follow(entered)).expect(200, 'Log out');
    });
    await step('pages', async () => {
      await page('/', 'Database server');
      await page('/server/databases', 'shop');
      await page('/server/variables&filter=char', 'character set');
      await page('/server/collations', 'utf8mb4');
      await page('/database/structure&db=shop', 'No tables found in database');
      (await visitor.get('/index.php?route=/database/structure&db=none')).expect(302);
      await visitor.head('/index.php?route=/server/databases');
      (await visitor.get('/index.php?route=/no/such/page')).expect(404);
      await visitor.get('/index.php/extra/path?route=/server/engines');
      await visitor.get('/url.php?url=https://www.phpmyadmin.net/');
      await visitor.get('/js/messages.php?l=en');
      await page('/server/engines', 'InnoDB');
    });
    await step('upload a dump of some MB', async () => {
      await page('/database/import&db=shop', 'File to import');
      const fields = {
        token,
        server: '1',
        db: 'shop',
        import_type: 'database',
        format: 'sql',
        charset_of_file: 'utf-8',
        allow_interrupt: 'yes',
        skip_queries: '0',
        sql_compatibility: 'NONE',
      };
      const file = { field: 'import_file', name: 'animals.sql', type: 'application/sql', content: DUMP };
      (await visitor.upload('/index.php?route=/import', fields, [file])).expect(
        200,
        'Import has been successfully finished',
      );
      await page('/database/structure&db=shop', 'animals');
      await page('/sql&db=shop&table=animals&pos=100', 'gnu 101');
    });
    await step('change a row', async () => {
      const sql_query = "UPDATE animals SET name = 'lion & <b>' WHERE id = 101";
      const fields = { token, db: 'shop', table: 'animals', sql_query, ajax_request: '1' };
      const headers = { 'X-Requested-With': 'XMLHttpRequest' };
      (await visitor.post('/index.php?route=/import', fields, headers)).expect(200, '"success":true');
      await page('/sql&db=shop&table=animals&pos=100', 'lion &amp; &lt;b&gt;');
    });
    await step('download the table', async () => {
      await page('/table/export&db=shop&table=animals', 'Export');
      const fields = {
        token,
        db: 'shop',
        table: 'animals',
        export_type: 'table',
        export_method: 'quick',
        quick_or_custom: 'quick',
        what: 'sql',
        single_table: '1',
        output_format: 'sendit',
        filename_template: '@TABLE@',
        charset: 'utf-8',
        compression: 'none',
        sql_structure_or_data: 'structure_and_data',
        sql_create_table: 'something',
        sql_insert_syntax: 'both',
      };
      const sent = (await visitor.post('/index.php?route=/export', fields)).expect(200, "'lion & <b>'");
      if (sent.body.length < 2_000_000) throw new Error(`only ${sent.body.length} bytes came`);
    });
    await step('log out', async () => {
      (await visitor.post('/index.php?route=/logout', { token, server: '1' })).expect(302);
      (await visitor.get('/')).expect(200, 'Welcome to');
    });
  },
  normalisers: [
    { what: 'a session, in a form', pattern: /"[0-9a-z]{26}"/g, by: '"<session>"' },
    { what: 'the id of an import', pattern: /"[0-9a-f]{13}"/g, by: '"<id>"' },
    { what: 'how long a query took', pattern: /Query took [0-9.]+ seconds/g, by: 'Query took' },
    {
      what: 'a random number that tells the parts of a page apart',
      pattern: /((?:data-for="|uniqueId="|Form_|Radio[A-Z]|[a-z]_)[a-z]*)(?:\d{4,10}(?=["_])|<seconds>)/g,
      by: '$1<number>',
    },
    {
      what: "the database's guess of a size",
      pattern: /[0-9.]+(<\/span>&nbsp;<span class="unit">| )[KM]iB\b/g,
      by: '<size>',
    },
    { what: "the database's guess of a number of rows", pattern: /~[0-9,]+/g, by: '~<rows>' },
  ],
  browsing: ['/', '/index.php?route=/', '/js/messages.php?l=en'],
};
