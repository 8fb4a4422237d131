import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { TSFPM } from '../helpers/daemon.js';
import type { Settings } from '../helpers/daemon-folder.js';
import { PHP_FPM } from '../helpers/php-programs.js';
import { type Account, type Place, type Scratch, worker } from './place.js';
import { programPath, Service } from './service.js';
import type { Site } from './site.js';

export const MANAGERS = ['php-fpm', 'tsfpm'] as const;
export type Manager = (typeof MANAGERS)[number];

const DATABASES = ['mediawiki', 'wordpress', 'shop'];

export const accountIn = (scratch: Scratch): Account => ({
  socket: scratch.at('mariadb', 'sock'),
  user: 'tester',
  password: 'a-secret-of-tests',
});

/** A MariaDB of our own: on a socket, with a data folder in the scratch folder, and empty databases at each start. */
export async function startMariadb(scratch: Scratch, account: Account): Promise<Service> {
  const data = scratch.at('mariadb', 'data');
  if (!existsSync(data)) {
    scratch.empty('mariadb');
    scratch.empty('mariadb', 'data');
    scratch.empty('mariadb', 'tmp');
    const { status, stdout, stderr } = spawnSync(
      programPath('mariadb-install-db'),
      ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
      { encoding: 'utf8', ...worker },
    );
    if (status !== 0) throw new Error(`mariadb-install-db failed:\n${stdout}\n${stderr}`);
  }
  const script = scratch.at('mariadb', 'start.sql');
  writeFileSync(
    script,
    [
      `CREATE OR REPLACE USER '${account.user}'@'localhost' IDENTIFIED BY '${account.password}';`,
      `GRANT ALL ON *.* TO '${account.user}'@'localhost';`,
      ...DATABASES.flatMap((name) => [`DROP DATABASE IF EXISTS ${name};`, `CREATE DATABASE ${name};`]),
      '',
    ].join('\n'),
  );
  return Service.start({
    name: 'MariaDB',
    program: programPath('mariadbd', '/usr/sbin/mariadbd'),
    args: [
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${scratch.at('mariadb', 'tmp')}`,
      `--socket=${account.socket}`,
      `--pid-file=${scratch.at('mariadb', 'pid')}`,
      `--init-file=${script}`,
      '--skip-networking',
      '--character-set-server=utf8mb4',
      // What is in it is worth nothing after the run.
      '--innodb-flush-log-at-trx-commit=0',
      '--innodb-doublewrite=0',
      '--skip-log-bin',
      '--innodb-buffer-pool-size=64M',
    ],
    log: scratch.at('mariadb.log'),
    asWorker: true,
    // The socket appears before the init file has been read; this line comes after both.
    isReady: () => existsSync(account.socket) && existsSync(scratch.at('mariadb', 'pid')),
  });
}

/** Of a request that is for one of several pools: the name of the one that shall serve it. */
export const SERVED_BY = 'X-Served-By';

/** The sockets of a site's pools, by their names. Visitors choose by {@link SERVED_BY}; without it the first serves. */
export type Pools = ReadonlyMap<string, string>;

/** @param poolsOf a site; default is one, that of {@link startManager} */
export async function startNginx(
  scratch: Scratch,
  sites: readonly (readonly [Site, Place])[],
  poolsOf = (place: Place): Pools => new Map([['pool', socketOf(place)]]),
): Promise<Service> {
  const folder = scratch.empty('nginx');
  const config = `${folder}/nginx.conf`;
  writeFileSync(
    config,
    `daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
${worker === undefined ? '' : `user ${worker.name};`}
events { worker_connections 512; }
http {
  include /etc/nginx/mime.types;
${['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi'].map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  access_log off;
  client_max_body_size 32m;
${sites.map(([site, place]) => serverText(site, place, poolsOf(place))).join('\n')}
}
`,
  );
  const [first] = sites;
  return Service.start({
    name: 'nginx',
    program: programPath('nginx', '/usr/sbin/nginx'),
    args: ['-e', `${folder}/error.log`, '-p', folder, '-c', config],
    log: `${folder}/output.log`,
    isReady: () =>
      fetch(`${first?.[1].url}/nginx-is-up`).then(
        (response) => response.ok,
        () => false,
      ),
  });
}

/** As README.md advises, and as the applications' own guides do. */
function serverText(site: Site, place: Place, pools: Pools): string {
  const chosen = `$pool_of_${site.name.replaceAll('-', '_')}`;
  const upstreams = [...pools].map(
    ([pool, socket]) => `
  upstream ${site.name}.${pool} {
    server unix:${socket};
    ${site.keepsConnections === true ? 'keepalive 2;' : ''}
  }`,
  );
  const [first] = pools.keys();
  return `${upstreams.join('')}
  map $http_${SERVED_BY.toLowerCase().replaceAll('-', '_')} ${chosen} {
    default ${site.name}.${first};
${[...pools.keys()].map((pool) => `    ${pool} ${site.name}.${pool};`).join('\n')}
  }
  server {
    listen 127.0.0.1:${place.port};
    server_name ${site.name};
    root ${site.root(place)};
    index index.php;
    location = /nginx-is-up { return 200; }
    ${site.server(place)}
    location ~ [^/]\\.php(/|$) {
      fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
      fastcgi_pass ${chosen};
      fastcgi_keep_conn ${site.keepsConnections === true ? 'on' : 'off'};
      fastcgi_read_timeout 120s;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param PATH_INFO $fastcgi_path_info;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param SCRIPT_NAME $fastcgi_script_name;
      fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param DOCUMENT_URI $document_uri;
      fastcgi_param DOCUMENT_ROOT $document_root;
      fastcgi_param SERVER_PROTOCOL $server_protocol;
      fastcgi_param REQUEST_SCHEME $scheme;
      fastcgi_param GATEWAY_INTERFACE CGI/1.1;
      fastcgi_param SERVER_SOFTWARE nginx/$nginx_version;
      fastcgi_param REMOTE_ADDR $remote_addr;
      fastcgi_param REMOTE_PORT $remote_port;
      fastcgi_param SERVER_ADDR $server_addr;
      fastcgi_param SERVER_PORT $server_port;
      fastcgi_param SERVER_NAME $server_name;
      fastcgi_param REDIRECT_STATUS 200;
    }
  }`;
}

/** What PHP is told for a site, as pool directives: what all have alike, and what it wants itself. */
export function phpSettings(site: Site, place: Place): Settings {
  return {
    'php_admin_value[upload_max_filesize]': '16M',
    'php_admin_value[post_max_size]': '17M',
    'php_admin_value[session.save_path]': place.at('sessions'),
    'php_admin_value[sys_temp_dir]': place.at('tmp'),
    'php_admin_value[mysqli.default_socket]': place.database.socket,
    ...site.pool(place),
  };
}

const socketOf = ({ scratch, name }: Place) => scratch.at(`${name}.sock`);

/** One file for both, but for the names of what they write. */
function poolFile(manager: Manager, scratch: Scratch, sites: readonly (readonly [Site, Place])[]): string {
  const global = {
    pid: scratch.at(`${manager}.pid`),
    error_log: errorLogOf(manager, scratch),
    daemonize: 'no',
  };
  const sections: [string, Settings][] = [['global', global]];
  for (const [site, place] of sites)
    sections.push([
      site.name,
      {
        user: worker?.name,
        group: worker?.name,
        listen: socketOf(place),
        'listen.mode': '0666',
        pm: 'static',
        'pm.max_children': 3,
        catch_workers_output: 'yes',
        ...phpSettings(site, place),
      },
    ]);
  return sections
    .map(([name, settings]) => {
      const lines = Object.entries(settings).filter(([, value]) => value !== undefined);
      return `[${name}]\n${lines.map(([key, value]) => `${key} = ${value}\n`).join('')}`;
    })
    .join('\n');
}

export const errorLogOf = (manager: Manager, scratch: Scratch) => scratch.at(`${manager}.error.log`);
export const configOf = (manager: Manager, scratch: Scratch) => scratch.at(`${manager}.conf`);

export async function startManager(
  manager: Manager,
  scratch: Scratch,
  sites: readonly (readonly [Site, Place])[],
): Promise<Service> {
  for (const [, place] of sites) rmSync(socketOf(place), { force: true });
  writeFileSync(configOf(manager, scratch), poolFile(manager, scratch, sites));
  const log = errorLogOf(manager, scratch);
  const [program, args] =
    manager === 'tsfpm'
      ? [process.execPath, [TSFPM, '--config', configOf(manager, scratch), '-F']]
      : [programPath(PHP_FPM, 'php-fpm'), ['-F', '--fpm-config', configOf(manager, scratch)]];
  return Service.start({
    name: manager,
    program,
    args,
    log: scratch.at(`${manager}.output.log`),
    isReady: () => existsSync(log) && readFileSync(log, 'utf8').includes('ready to handle connections'),
  });
}
