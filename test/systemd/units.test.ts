import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fcgiRequest, scriptParams } from '../helpers/fastcgi-client.js';
import { sleep, until } from '../helpers/wait.js';
import { Container, type Ran } from './container.js';

// The units as an administrator installs them, under the systemd of the Debian in TSFPM_ROOT. See run.ts.

/** dist/test/systemd/ -> the checkout */
const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
const UNIT = '/etc/systemd/system/tsfpm.service';
const CONFIG = '/etc/tsfpm.conf';
const SCRIPTS: Readonly<Record<string, string>> = {
  'index.php': '<?php usleep(5000); echo getmypid();',
  'who.php': '<?php echo json_encode([posix_geteuid(), getcwd(), is_dir("/etc")]);',
  'slow.php': '<?php function lingers() { usleep(1500000); } lingers(); echo "done";',
};
/** Pools of one kind each: a jail, another user, a slow log. */
const POOLS = `
[www]
user = www-data
listen = /run/tsfpm/www.sock
listen.mode = 0666
pm = dynamic
pm.max_children = 6
pm.start_servers = 2
pm.min_spare_servers = 1
pm.max_spare_servers = 3
request_slowlog_timeout = 300ms
slowlog = /var/log/tsfpm-slow.log
[jail]
user = daemon
chroot = /srv/www
chdir = /
listen = /run/tsfpm/jail.sock
listen.mode = 0666
pm = static
pm.max_children = 1
`;

let container: Container;

before(async () => {
  container = await Container.boot({
    root: process.env.TSFPM_ROOT ?? '',
    checkout: CHECKOUT,
    node: process.env.TSFPM_NODE,
  });
  sh('mkdir -p /srv/www && ln -s /opt/tsfpm/bin/tsfpm /usr/bin/tsfpm');
  for (const [name, text] of Object.entries(SCRIPTS)) container.write(`/srv/www/${name}`, text);
  configure();
  succeeds('sh', '-c', `tsfpm unit > ${UNIT} && cp /opt/tsfpm/conf/tsfpm.socket /etc/systemd/system/`);
  succeeds('systemctl', 'daemon-reload');
});

beforeEach(() => succeeds('systemctl', 'reset-failed'));

after(() => container?.halt());

function configure(errorLog = 'syslog', more = ''): void {
  container.write(
    CONFIG,
    `[global]\nerror_log = ${errorLog}\nprocess_control_timeout = 10s\n${POOLS}${more}`,
  );
}

function sh(script: string): Ran {
  return container.run('sh', '-c', script);
}

function succeeds(...command: readonly string[]): string {
  const { code, output } = container.run(...command);
  assert.equal(code, 0, `${command.join(' ')}: ${output}\n${journal()}`);
  return output;
}

/** While this process goes on as a client. */
async function succeedsMeanwhile(...command: readonly string[]): Promise<string> {
  const { code, output } = await container.begin(...command);
  assert.equal(code, 0, `${command.join(' ')}: ${output}\n${journal()}`);
  return output;
}

function property(name: string, unit = 'tsfpm.service'): string {
  return container.run('systemctl', 'show', '--value', `--property=${name}`, unit).output.trim();
}

function journal(): string {
  return container.run('journalctl', '--no-pager', '--output=cat', '--lines=60', '--unit=tsfpm').output;
}

async function get(script: string, pool = 'www', path = `/srv/www/${script}`): Promise<string> {
  const answer = await fcgiRequest(container.at(`/run/tsfpm/${pool}.sock`), { params: scriptParams(path) });
  return answer.body.toString();
}

/** The service runs as it is configured, whatever the test before has left. */
async function started(): Promise<string> {
  configure();
  succeeds('systemctl', 'restart', 'tsfpm');
  assert.match(await get('index.php'), /^[0-9]+$/);
  return property('MainPID');
}

/** After the master was lost. */
async function serveAgain(former: string): Promise<void> {
  await until(
    'another master serves',
    () => {
      const pid = property('MainPID');
      return pid !== former && pid !== '0' && property('ActiveState') === 'active';
    },
    60_000,
  );
  assert.match(await get('index.php'), /^[0-9]+$/);
}

test('systemd finds nothing wrong with the units, and their exposure is below 4.0', () => {
  const names = ['tsfpm.service', 'tsfpm.socket'];
  assert.doesNotMatch(succeeds('systemd-analyze', 'verify', ...names), /tsfpm/);
  const [, level = '10'] =
    /exposure level for tsfpm\.service: ([0-9.]+)/.exec(
      succeeds('systemd-analyze', 'security', '--no-pager', 'tsfpm.service'),
    ) ?? [];
  assert.ok(Number(level) < 4, level);
  assert.doesNotMatch(readFileSync(container.at(UNIT), 'utf8'), /\/opt\/tsfpm/);
});

test('a unit for an installation elsewhere has its paths, and starts', async () => {
  succeeds(
    'sh',
    '-c',
    `/opt/tsfpm/bin/tsfpm unit --config /srv/my.conf > ${UNIT} && cp ${CONFIG} /srv/my.conf`,
  );
  succeeds('systemctl', 'daemon-reload');
  succeeds('systemctl', 'start', 'tsfpm');
  assert.match(property('ExecStart'), /\/opt\/tsfpm\/bin\/tsfpm --nodaemonize --config \/srv\/my\.conf/);
  assert.match(await get('index.php'), /^[0-9]+$/);
  succeeds('systemctl', 'reload', 'tsfpm');
  succeeds('systemctl', 'stop', 'tsfpm');
  succeeds('sh', '-c', `tsfpm unit > ${UNIT}`);
  succeeds('systemctl', 'daemon-reload');
});

test('a start waits until the pools serve, and a stop leaves nothing', async () => {
  succeeds('systemctl', 'start', 'tsfpm');
  assert.match(await get('index.php'), /^[0-9]+$/);
  assert.equal(property('StatusText'), 'Ready to handle connections');
  succeeds('systemctl', 'stop', 'tsfpm');
  assert.equal(property('Result'), 'success');
  assert.equal(sh('ls /run/tsfpm').output, '');
  assert.notEqual(container.run('pgrep', 'php-cgi').code, 0);
});

test('a broken configuration fails the start, and is not tried again', () => {
  configure('syslog', 'pm.max_childen = 3\n');
  const { code } = container.run('systemctl', 'start', 'tsfpm');
  assert.notEqual(code, 0);
  assert.equal(property('ActiveState'), 'failed');
  assert.equal(property('ExecMainStatus'), '78');
  assert.match(journal(), /\[\/etc\/tsfpm\.conf:[0-9]+\] unknown entry 'pm\.max_childen'/);
});

test('a reload waits for the new generation and loses no request', async () => {
  await started();
  let isOver = false;
  let served = 0;
  const client = async () => {
    while (!isOver) {
      assert.match(await get('index.php'), /^[0-9]+$/);
      served++;
    }
  };
  const clients = Promise.all([client(), client()]);
  const pid = property('MainPID');
  for (let i = 0; i < 3; i++) await succeedsMeanwhile('systemctl', 'reload', 'tsfpm');
  isOver = true;
  await clients;
  assert.ok(served > 10, `${served} requests`);
  assert.equal(property('MainPID'), pid);
  assert.match(succeeds('tsfpm', 'status', '-g', '/run/tsfpm/tsfpm.pid'), /, 3 reloads\n/);
});

test('a broken reload fails, and command, journal and status tell file, line and reason', async () => {
  const pid = await started();
  configure('syslog', 'pm.max_childen = 3\n');
  const reason = /\[\/etc\/tsfpm\.conf:[0-9]+\] unknown entry 'pm\.max_childen'/;
  const byHand = container.run('tsfpm', 'reload', '-g', '/run/tsfpm/tsfpm.pid');
  assert.equal(byHand.code, 1);
  assert.match(byHand.output, reason);
  succeeds('journalctl', '--rotate');
  succeeds('journalctl', '--vacuum-time=1s');
  assert.equal(container.run('systemctl', 'reload', 'tsfpm').code, 1);
  assert.match(journal(), reason);
  assert.match(property('StatusText'), reason);
  assert.equal(property('ActiveState'), 'active');
  assert.equal(property('MainPID'), pid);
  assert.match(await get('index.php'), /^[0-9]+$/);
  configure();
  succeeds('systemctl', 'reload', 'tsfpm');
  assert.doesNotMatch(property('StatusText'), reason);
});

test('a master that is killed is started again', async () => {
  const pid = await started();
  succeeds('sh', '-c', `kill -9 ${pid}`);
  await serveAgain(pid);
});

test('a master that hangs is ended by the watchdog and started again; a busy one is not', async () => {
  succeeds('sh', '-c', `mkdir -p ${UNIT}.d && printf '[Service]\\nWatchdogSec=2s\\n' > ${UNIT}.d/test.conf`);
  succeeds('systemctl', 'daemon-reload');
  const pid = await started();
  await sleep(4500);
  assert.equal(property('MainPID'), pid);
  assert.match(property('StatusText'), /^Processes active: /);
  succeeds('sh', '-c', `kill -STOP ${pid}`);
  await serveAgain(pid);
  assert.match(journal(), /Watchdog timeout/);
});

test('an upgrade keeps the pid under the watchdog, and loses nothing', async () => {
  const pid = await started();
  const slow = get('slow.php');
  for (let i = 0; i < 2; i++)
    assert.match(
      await succeedsMeanwhile('tsfpm', 'upgrade', '-g', '/run/tsfpm/tsfpm.pid'),
      /upgraded; tsfpm/,
    );
  assert.equal(await slow, 'done');
  await sleep(4500);
  assert.equal(property('MainPID'), pid);
  assert.equal(property('NRestarts'), '0');
  assert.match(await get('index.php'), /^[0-9]+$/);
  succeeds('systemctl', 'reload', 'tsfpm');
});

test('the socket unit starts the service at the first client, and its socket outlives it', async () => {
  succeeds('systemctl', 'stop', 'tsfpm');
  succeeds('systemctl', 'start', 'tsfpm.socket');
  assert.equal(property('ActiveState'), 'inactive');
  for (let i = 0; i < 2; i++) {
    assert.match(await get('index.php'), /^[0-9]+$/);
    assert.equal(property('ActiveState'), 'active');
    succeeds('systemctl', 'reload', 'tsfpm');
    assert.match(await get('index.php'), /^[0-9]+$/);
    succeeds('systemctl', 'restart', 'tsfpm');
    assert.match(await get('index.php'), /^[0-9]+$/);
    succeeds('systemctl', 'stop', 'tsfpm');
    assert.ok(existsSync(container.at('/run/tsfpm/www.sock')));
  }
  succeeds('systemctl', 'stop', 'tsfpm.socket', 'tsfpm.service');
});

for (const errorLog of ['/proc/self/fd/2', '/dev/stderr'])
  test(`error_log = ${errorLog} is the journal, after a reload, a rotation and an upgrade too`, async () => {
    await started();
    succeeds('systemctl', 'stop', 'tsfpm');
    configure(errorLog);
    succeeds('systemctl', 'start', 'tsfpm');
    assert.match(journal(), /NOTICE: ready to handle connections/);
    for (const command of ['reload', 'reopen', 'upgrade']) {
      succeeds('tsfpm', command, '-g', '/run/tsfpm/tsfpm.pid');
      const mark = `control: no such command for ${command}`;
      succeeds('systemd-cat', 'echo', mark);
      succeeds('systemctl', 'reload', 'tsfpm');
      await until(`a line after ${command}`, () => {
        const text = container.run('journalctl', '--no-pager', '--output=cat', '--lines=40').output;
        return text.slice(text.lastIndexOf(mark)).includes('NOTICE: Reloading in progress');
      });
    }
  });

test('jail, change of user and slow log work under the unit, with NoNewPrivileges as well', async () => {
  for (const more of ['', 'NoNewPrivileges']) {
    if (more === '') succeeds('rm', '-r', `${UNIT}.d`);
    else
      succeeds('sh', '-c', `mkdir -p ${UNIT}.d && printf '[Service]\\n${more}=yes\\n' > ${UNIT}.d/test.conf`);
    succeeds('systemctl', 'daemon-reload');
    sh('rm -f /var/log/tsfpm-slow.log');
    await started();
    const uidOf = (user: string) => Number(succeeds('id', '-u', user));
    assert.deepEqual(JSON.parse(await get('who.php')), [uidOf('www-data'), '/srv/www', true]);
    assert.deepEqual(JSON.parse(await get('who.php', 'jail', '/who.php')), [uidOf('daemon'), '/', false]);
    assert.equal(await get('slow.php'), 'done');
    const log = readFileSync(container.at('/var/log/tsfpm-slow.log'), 'utf8');
    assert.match(
      log,
      /script_filename = \/srv\/www\/slow\.php\n(?:.*\n)*.* lingers\(\) \/srv\/www\/slow\.php:1\n/,
    );
  }
});
