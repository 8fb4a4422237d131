import { hostNames } from '../config/host-names.js';
import { controlPath } from '../control/path.js';
import { type ControlServer, startControlServer } from '../control/server.js';
import type { ControlTarget } from '../control/target.js';
import { type HttpDoor, startHttpDoor } from '../http/server.js';
import type { HttpDoorSource } from '../http/source.js';
import type { MasterLog } from '../log/master-log.js';

/** What stands behind the doors. */
export interface DoorKeepers {
  readonly source: HttpDoorSource;
  readonly target: ControlTarget;
  readonly log: MasterLog;
}

/** Where the master itself answers: `http.listen` and the control socket. */
export class Doors {
  readonly #keepers: DoorKeepers;
  #http: { readonly listen: string; readonly server: HttpDoor } | undefined;
  #control: { readonly path: string; readonly server: ControlServer } | undefined;

  constructor(keepers: DoorKeepers) {
    this.#keepers = keepers;
  }

  /**
   * One that stays where it is keeps its connections.
   *
   * @param listen undefined or empty: none
   * @param hosts text of `http.hosts`
   * @throws ListenError and no such door is open then
   */
  async openHttp(listen: string | undefined, hosts: string | undefined): Promise<void> {
    this.#http?.server.setHosts(hostNames(hosts));
    if (listen === this.#http?.listen) return;
    await this.#http?.server.close();
    this.#http = undefined;
    if (!listen) return;
    const { source, log } = this.#keepers;
    this.#http = { listen, server: await startHttpDoor({ listen, hosts: hostNames(hosts), source, log }) };
  }

  /**
   * The same for commands.
   *
   * @param listen undefined: beside the pid file, where there is one
   * @throws ControlError
   */
  async openControl(listen: string | undefined, pidFile: string | undefined): Promise<void> {
    const path = controlPath(listen, pidFile);
    if (path === this.#control?.path) return;
    await this.#control?.server.close();
    this.#control = undefined;
    if (path === undefined) return;
    const { target, log } = this.#keepers;
    this.#control = { path, server: await startControlServer({ path, target, log }) };
  }

  async close(): Promise<void> {
    await this.#control?.server.close();
    await this.#http?.server.close();
  }
}
