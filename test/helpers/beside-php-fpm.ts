import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Daemon } from './daemon.js';
import { isRoot, WORKER_USER } from './daemon-folder.js';
import { type FcgiAddress, fcgiRequest } from './fastcgi-client.js';
import { PHP_CGI, PHP_FPM, SYSTEM_PHP_CGI } from './php-programs.js';
import { until } from './wait.js';

/** For the `skip` of a test that compares with php-fpm; false runs it. */
export const unlessPhpFpm = reasonToSkip();

function reasonToSkip(): string | false {
  // Another version has other words here and there.
  if (PHP_CGI !== SYSTEM_PHP_CGI) return `${PHP_FPM} is not of the version under test`;
  return spawnSync(PHP_FPM, ['-v']).status === 0 ? false : `${PHP_FPM} is not installed`;
}

/** A php-fpm with one pool and one worker beside the daemon, in its folder; it goes with the test. */
export async function startFpm(t: TestContext, tsfpm: Daemon, poolLines = ''): Promise<FcgiAddress> {
  const socket = tsfpm.folder.at('real-fpm.sock');
  const file = tsfpm.folder.at('real-fpm.conf');
  writeFileSync(
    file,
    `[global]\nerror_log = ${tsfpm.folder.at('real-fpm.log')}\n[www]\n${isRoot ? `user = ${WORKER_USER}\n` : ''}
listen = ${socket}\nlisten.mode = 0666\npm = static\npm.max_children = 1\n${poolLines}\n`,
  );
  const child: ChildProcess = spawn(PHP_FPM, ['-F', '-y', file], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  t.after(async () => {
    // Not KILL: php-fpm's workers would outlive it.
    child.kill('SIGTERM');
    await ended;
  });
  await until('php-fpm listens', () => existsSync(socket));
  return socket;
}

/** All that the client gets, in a form to compare. */
export async function answer(
  address: FcgiAddress,
  params: Record<string, string>,
  more: { keepConn?: boolean; stdin?: Uint8Array } = {},
) {
  const { status, reason, headers, body, stderr, endRequest } = await fcgiRequest(address, {
    params,
    ...more,
  });
  const end = endRequest && { ...endRequest };
  return { status, reason, headers: [...headers], body: body.toString(), stderr, end };
}
