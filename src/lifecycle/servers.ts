import { hostNames } from '../config/host-names.js';
import { controlPath } from '../control/path.js';
import { type ControlServer, startControlServer } from '../control/server.js';
import type { ControlTarget } from '../control/target.js';
import { type HttpServer, startHttpServer } from '../http/server.js';
import type { HttpSource } from '../http/source.js';
import type { MasterLog } from '../log/master-log.js';

/** What the servers show and obey. */
export interface ServerParts {
  readonly source: HttpSource;
  readonly target: ControlTarget;
  readonly log: MasterLog;
}

/** The servers of the master itself: HTTP at `http.listen`, and commands at the control socket. */
export class Servers {
  readonly #parts: ServerParts;
  #http: { readonly listen: string; readonly server: HttpServer } | undefined;
  #control: { readonly path: string; readonly server: ControlServer } | undefined;

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  /**
   * Starts, moves or ends the HTTP server. Where the address stays, its connections stay too.
   *
   * @param listen undefined or empty: none
   * @param hosts text of `http.hosts`
   * @throws ListenError and no such server runs then
   */
  async openHttp(listen: string | undefined, hosts: string | undefined): Promise<void> {
    this.#http?.server.setHosts(hostNames(hosts));
    if (listen === this.#http?.listen) return;
    await this.#http?.server.close();
    this.#http = undefined;
    if (!listen) return;
    const { source, log } = this.#parts;
    this.#http = { listen, server: await startHttpServer({ listen, hosts: hostNames(hosts), source, log }) };
  }

  /**
   * Starts, moves or ends the server for commands. Where the path stays, its connections stay too.
   *
   * @param listen `control.listen`; undefined: beside the pid file, where there is one
   * @throws ControlError and no such server runs then
   */
  async openControl(listen: string | undefined, pidFile: string | undefined): Promise<void> {
    const path = controlPath(listen, pidFile);
    if (path === this.#control?.path) return;
    await this.#control?.server.close();
    this.#control = undefined;
    if (path === undefined) return;
    const { target, log } = this.#parts;
    this.#control = { path, server: await startControlServer({ path, target, log }) };
  }

  async close(): Promise<void> {
    await this.#control?.server.close();
    await this.#http?.server.close();
  }
}
