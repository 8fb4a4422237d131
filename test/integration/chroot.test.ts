import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Daemon, type DaemonRequest, startTsfpm, TSFPM } from '../helpers/daemon.js';
import { type Settings, unlessRoot } from '../helpers/daemon-folder.js';
import { descriptorsOf } from '../helpers/processes.js';
import { reload } from '../helpers/reload.js';

// A jail holds scripts and at most a tmp: no PHP, no libraries, no /etc, no /dev, no /proc.

const JAIL: Settings = { chroot: '{folder}/www/jail', 'pm.max_children': 1 };
const FREE: Settings = { 'pm.max_children': 1 };

/** A script by its path in the jail. */
const inJail = (path: string, more: Readonly<Record<string, string>> = {}): DaemonRequest => ({
  params: { SCRIPT_FILENAME: path, SCRIPT_NAME: path, DOCUMENT_ROOT: '/', ...more },
});

function startJailed(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  pools: Record<string, Settings>,
) {
  return startTsfpm(t, {
    pools,
    files: Object.fromEntries(Object.entries(files).map(([name, text]) => [`jail/${name}`, text])),
  });
}

const ZONES_PHP = `<?php
$answer = [
  'now' => strlen(date('c e T')), 'default' => date_default_timezone_get(), 'list' => timezone_identifiers_list(),
  'french' => timezone_identifiers_list(DateTimeZone::PER_COUNTRY, 'FR'),
];
foreach (timezone_identifiers_list(DateTimeZone::ALL_WITH_BC) as $name) {
  try { $zone = new DateTimeZone($name); } catch (Exception $e) { continue; } // PHP's list has files that are no zones
  $place = $zone->getLocation() ?: ['country_code' => '', 'latitude' => 0, 'longitude' => 0, 'comments' => ''];
  $answer['zones'][$name] = [md5(serialize($zone->getTransitions(-2000000000, 4000000000))), $place['country_code'],
    round($place['latitude'], 3), round($place['longitude'], 3), $place['comments']];
}
foreach (['UTC', 'europe/paris', 'Etc/GMT+3', 'CET', 'US/Pacific', 'GMT'] as $name)
  $answer['set'][$name] = [date_default_timezone_set($name), date('c e', 1700000000)];
$answer['unknown'] = [@date_default_timezone_set('No/Zone'), @timezone_open('../../etc/passwd')];
ini_set('date.timezone', 'Asia/Tokyo');
$answer['ini'] = [ini_get('date.timezone'), (new DateTime('2026-07-01 12:00 America/New_York'))->format('c T')];
echo json_encode($answer);`;

test('every time zone is the same in a jail as outside', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startJailed(
    t,
    { 'zones.php': ZONES_PHP },
    { jail: JAIL, tokyo: { ...JAIL, 'php_admin_value[date.timezone]': 'Etc/GMT-9' }, free: FREE },
  );
  interface Zones {
    readonly default: string;
    readonly zones: Record<string, unknown>;
    readonly list: readonly string[];
  }
  const jailed = await tsfpm.getJson<Zones>('zones.php', inJail('/zones.php'));
  const free = await tsfpm.getJson<Zones>('jail/zones.php', { pool: 'free' });
  assert.ok(Object.keys(jailed.zones).length > 400 && jailed.list.length > 300);
  for (const [part, value] of Object.entries(free))
    assert.deepEqual(jailed[part as keyof Zones], value, part);
  const tokyo = await tsfpm.getJson<Zones>('zones.php', { pool: 'tokyo', ...inJail('/zones.php') });
  assert.equal(tokyo.default, 'Etc/GMT-9');
  // In the next request of the same worker PHP has forgotten what it had parsed.
  assert.deepEqual(await tsfpm.getJson('zones.php', inJail('/zones.php')), free);
});

const EVERYTHING_PHP = `<?php
$file = finfo_open(FILEINFO_MIME_TYPE);
echo json_encode([
  'files' => array_values(array_diff(scandir('/'), ['.', '..'])),
  'cwd' => getcwd(),
  'ctype' => ctype_alpha('abc'),
  'iconv' => bin2hex(iconv('ISO-8859-1', 'UTF-8', "\\xe4")) . bin2hex(iconv('UTF-8', 'WINDOWS-1252//TRANSLIT', "\\u{20ac}")),
  'fileinfo' => finfo_buffer($file, '%PDF-1.4'),
  'tokens' => count(token_get_all('<?php echo 1;')),
  'random' => strlen(random_bytes(8)),
  'hash' => strlen(password_hash('x', PASSWORD_BCRYPT, ['cost' => 4])),
  'openssl' => extension_loaded('openssl') ? strlen(openssl_random_pseudo_bytes(4)) : 4,
  'mbstring' => extension_loaded('mbstring') ? bin2hex(mb_convert_encoding("\\xe4", 'UTF-8', 'ISO-8859-1')) : 'c3a4',
  'intl' => extension_loaded('intl') ? (new NumberFormatter('de_DE', NumberFormatter::DECIMAL))->format(1234.5) : '1.234,5',
  'opcache' => opcache_get_status()['scripts']['/everything.php']['full_path'] ?? null,
]);`;

test('shared extensions and opcache work in a jail that has only scripts', {
  skip: unlessRoot,
}, async (t) => {
  const tsfpm = await startJailed(
    t,
    { 'everything.php': EVERYTHING_PHP },
    { www: { ...JAIL, 'php_admin_value[opcache.enable]': 1 } },
  );
  await tsfpm.get('everything.php', inJail('/everything.php'));
  assert.deepEqual(await tsfpm.getJson('everything.php', inJail('/everything.php')), {
    files: ['everything.php'],
    cwd: '/',
    ctype: true,
    iconv: 'c3a480',
    fileinfo: 'application/pdf',
    tokens: 5,
    random: 8,
    hash: 60,
    openssl: 4,
    mbstring: 'c3a4',
    intl: '1.234,5',
    opcache: '/everything.php',
  });
  // Scripts are named as they are inside; what lies outside does not exist.
  const outside = await tsfpm.request('jail/everything.php');
  assert.deepEqual([outside.status, outside.text], [404, 'File not found.\n']);
});

test('a worker in a jail holds no folder of the world outside', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startJailed(t, { 'x.php': 'x' }, { www: JAIL });
  const [worker = 0] = await tsfpm.untilWorkers();
  assert.equal(await tsfpm.get('x.php', inJail('/x.php')), 'x');
  const root = tsfpm.folder.script('jail');
  assert.equal(readlinkSync(`/proc/${worker}/root`), root);
  assert.equal(readlinkSync(`/proc/${worker}/cwd`), root);
  for (const fd of descriptorsOf(worker).keys())
    assert.equal(statSync(`/proc/${worker}/fd/${fd}`).isDirectory(), false, `descriptor ${fd}`);
});

const UPLOAD_PHP = `<?php
error_reporting(E_ALL); ini_set('display_errors', 0); ini_set('log_errors', 0);
$started = session_start();
$_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
$written = session_write_close();
$file = $_FILES['file'];
echo json_encode([
  'temp' => sys_get_temp_dir(), 'tempnam' => dirname((string) @tempnam('/tmp', 'x')), 'error' => $file['error'],
  'content' => $file['error'] === 0 ? file_get_contents($file['tmp_name']) : null,
  'folder' => $file['error'] === 0 ? dirname($file['tmp_name']) : null,
  'moved' => $file['error'] === 0 && move_uploaded_file($file['tmp_name'], '/tmp/kept'),
  'session' => $started && $written ? $_SESSION['count'] : null, 'last' => error_get_last()['message'] ?? null,
]);`;

function upload(tsfpm: Daemon) {
  const boundary = 'xxBOUNDARYxx';
  const body = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nuploaded\r\n--${boundary}--\r\n`;
  const request = inJail('/upload.php', {
    CONTENT_TYPE: `multipart/form-data; boundary=${boundary}`,
    CONTENT_LENGTH: String(body.length),
    REQUEST_METHOD: 'POST',
    HTTP_COOKIE: 'PHPSESSID=0123456789abcdef0123456789',
  });
  return tsfpm.getJson<Record<string, unknown>>('upload.php', { ...request, body });
}

/** Debian's php.ini has its sessions outside of any jail. */
const SESSIONS = { 'php_admin_value[session.save_path]': '/tmp' };

test('sessions and uploads are in the tmp of the jail', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startJailed(
    t,
    { 'upload.php': UPLOAD_PHP, 'tmp/.keep': '' },
    { www: { ...JAIL, ...SESSIONS } },
  );
  const tmp = tsfpm.folder.script('jail/tmp');
  chmodSync(tmp, 0o1777);
  const expected = {
    temp: '/tmp',
    tempnam: '/tmp',
    error: 0,
    content: 'uploaded',
    folder: '/tmp',
    moved: true,
    last: null,
  };
  assert.deepEqual(await upload(tsfpm), { ...expected, session: 1 });
  assert.deepEqual(await upload(tsfpm), { ...expected, session: 2 });
  assert.equal(readFileSync(`${tmp}/kept`, 'utf8'), 'uploaded');
  assert.ok(readdirSync(tmp).includes('sess_0123456789abcdef0123456789'));
});

test('without a tmp in the jail PHP says what is missing', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startJailed(t, { 'upload.php': UPLOAD_PHP }, { www: { ...JAIL, ...SESSIONS } });
  const { error, session, last } = await upload(tsfpm);
  assert.equal(error, 6); // UPLOAD_ERR_NO_TMP_DIR
  assert.equal(session, null);
  assert.match(String(last), /session|tempnam|directory/);
});

/** Same path, same time, same length: opcache tells them apart by nothing but where it keeps them. */
function writeTwins(files: Readonly<Record<string, string>>): void {
  const time = Date.now() / 1000 - 3600;
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    utimesSync(path, time, time);
  }
}

const CACHED_PHP = (name: string) =>
  `<?php echo '${name}', count(opcache_get_status()['scripts']) > 0 ? ' cached' : ' not cached';`;

for (const validateRoot of [0, 1])
  test(`pools with one path of a script in two jails never mix, with opcache.validate_root = ${validateRoot}`, {
    skip: unlessRoot,
  }, async (t) => {
    const pool = {
      ...JAIL,
      prefix: '{folder}/www',
      chroot: '$prefix/$pool',
      'php_admin_value[opcache.enable]': 1,
      'php_admin_value[opcache.validate_root]': validateRoot,
    };
    const tsfpm = await startTsfpm(t, {
      pools: { one: pool, two: pool },
      files: { 'one/x': '', 'two/x': '' },
    });
    const { folder } = tsfpm;
    writeTwins({
      [folder.script('one/app/x.php')]: CACHED_PHP('one'),
      [folder.script('two/app/x.php')]: CACHED_PHP('two'),
    });
    const answers = async () => {
      const texts: string[] = [];
      for (const name of ['one', 'two', 'one', 'two'])
        texts.push(await tsfpm.get('x', { pool: name, ...inJail('/app/x.php') }));
      return texts;
    };
    const expected = ['one cached', 'two cached', 'one cached', 'two cached'];
    assert.deepEqual(await answers(), expected);
    await reload(tsfpm);
    assert.deepEqual(await answers(), expected);
  });

test('a file cache of opcache that two roots share does not mix them', { skip: unlessRoot }, async (t) => {
  const tsfpm = await startJailed(t, { 'x.php': '' }, { free: FREE, jail: JAIL });
  const { folder } = tsfpm;
  const cache = folder.at('cache');
  const jail = folder.script('jail');
  const script = folder.script('x.php');
  writeTwins({ [script]: '<?php echo "outside";', [`${jail}${script}`]: '<?php echo "in jail";' });
  // One folder by one name, seen from both roots.
  mkdirSync(`${jail}${cache}`);
  chmodSync(`${jail}${cache}`, 0o1777);
  symlinkSync(`${jail}${cache}`, cache);
  const opcache = { 'php_admin_value[opcache.enable]': 1, 'php_admin_value[opcache.file_cache]': cache };
  await reload(tsfpm, { pools: { free: { ...FREE, ...opcache }, jail: { ...JAIL, ...opcache } } });
  assert.equal(await tsfpm.get('x.php', { pool: 'free' }), 'outside');
  assert.equal(await tsfpm.get('x.php', { pool: 'jail' }), 'in jail');
  const systems = readdirSync(cache);
  assert.equal(systems.length, 2, `${systems}`);
  for (const system of systems) assert.ok(existsSync(`${cache}/${system}${script}.bin`));
});

const NAMES_PHP = `<?php
$start = microtime(true);
echo json_encode(['jail' => gethostbyname('jail.test'), 'other' => gethostbyname('other.test'), 'quick' => microtime(true) - $start < 8]);`;

/** Answers every question for an address of `jail.test`, and says of all other names that they do not exist. */
function nameServer(t: TestContext, host: string): Promise<void> {
  const server = createSocket('udp4');
  t.after(() => server.close());
  server.on('message', (query, { address, port }) => {
    const nameEnd = query.indexOf(0, 12) + 1;
    const isKnown = query.toString('latin1', 12, nameEnd) === '\x04jail\x04test\0';
    const isForAddress = query.readUInt16BE(nameEnd) === 1;
    const question = query.subarray(12, nameEnd + 4);
    const answers = isKnown && isForAddress ? [Buffer.from('c00c00010001000000ff00047f090909', 'hex')] : [];
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(isKnown ? 0x8580 : 0x8583, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    header.writeUInt32BE(0, 8);
    server.send(Buffer.concat([header, question, ...answers]), port, address);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.bind(53, host, resolve);
  });
}

test('names of hosts are looked up as outside, and by a hosts file in the jail', {
  skip: unlessRoot,
}, async (t) => {
  const canMount = spawnSync('unshare', ['-m', 'mount', '--bind', '/etc/hosts', '/etc/resolv.conf']);
  if (canMount.status !== 0) {
    t.skip('cannot give a process another /etc/resolv.conf');
    return;
  }
  const host = '127.0.0.77';
  await nameServer(t, host);
  const resolvConf = mkdtempSync('/tmp/tsfpm-resolv-');
  t.after(() => rmSync(resolvConf, { recursive: true }));
  writeFileSync(`${resolvConf}/conf`, `nameserver ${host}\noptions timeout:2 attempts:2\n`);
  writeFileSync(`${resolvConf}/nsswitch`, 'hosts: files dns\n');
  const mounts = [`${resolvConf}/conf /etc/resolv.conf`, `${resolvConf}/nsswitch /etc/nsswitch.conf`];
  const script = mounts.map((mount) => `mount --bind ${mount} && `).join('');
  const tsfpm = await startTsfpm(t, {
    command: ['unshare', '-m', 'sh', '-c', `${script}exec "$@"`, 'sh', process.execPath, TSFPM],
    pools: {
      bare: { ...JAIL, chroot: '{folder}/www/bare' },
      hosts: { ...JAIL, chroot: '{folder}/www/hosts' },
    },
    files: {
      'bare/names.php': NAMES_PHP,
      'hosts/names.php': NAMES_PHP,
      'hosts/etc/hosts': '127.8.8.8 other.test\n',
    },
  });
  const ask = (pool: string) => tsfpm.getJson('names', { pool, ...inJail('/names.php') });
  assert.deepEqual(await ask('bare'), { jail: '127.9.9.9', other: 'other.test', quick: true });
  assert.deepEqual(await ask('hosts'), { jail: '127.9.9.9', other: '127.8.8.8', quick: true });
});
