import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { giveAway } from '../apps/place.js';
import { Service } from '../apps/service.js';
import type { Daemon } from '../helpers/daemon.js';
import { freePort } from '../helpers/ports.js';
import type { WebServer } from './web-server.js';

/** For the `skip` of a test: why a server cannot be tested here. */
export function whyMissing({ programs, package: debianPackage }: WebServer): string | false {
  return programOf(programs) === undefined
    ? `there is no ${programs[0]}: apt-get install ${debianPackage}`
    : false;
}

const programOf = (programs: readonly string[]) =>
  programs.find((name) => spawnSync(name, ['-v'], { stdio: 'ignore' }).error === undefined);

/** A web server in front of a pool of the daemon, as the user of the workers; it ends before the daemon does. */
export interface RunningServer {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** All that it has logged. */
  readonly log: () => string;
  readonly hasEnded: () => boolean;
}

export async function startServer(t: TestContext, server: WebServer, tsfpm: Daemon): Promise<RunningServer> {
  const program = programOf(server.programs);
  if (program === undefined) throw new Error(`${server.programs[0]} is missing`);
  const port = await freePort();
  const folder = tsfpm.folder.at('web-server');
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  const file = `${folder}/server.conf`;
  const place = { folder, port, documentRoot: tsfpm.folder.at('www'), pool: tsfpm.address(server.socket) };
  writeFileSync(file, server.configuration(place));
  const log = `${folder}/error.log`;
  writeFileSync(log, '');
  giveAway(folder);
  const url = `http://127.0.0.1:${port}`;
  const service = await Service.start({
    name: server.name,
    program,
    args: server.arguments(file, folder),
    log,
    asWorker: true,
    isReady: () =>
      fetch(`${url}/echo.php`).then(
        (response) => response.ok,
        () => false,
      ),
  });
  t.after(() => service.stop());
  return { url, log: () => service.wholeLog, hasEnded: () => service.hasEnded };
}
