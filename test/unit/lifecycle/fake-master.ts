import { openSync } from 'node:fs';
import type { TestContext } from 'node:test';
import type { Config } from '../../../src/config/config.js';
import { Master, type MasterParts } from '../../../src/lifecycle/master.js';
import type { Outcome } from '../../../src/lifecycle/outcome.js';
import { PidFile } from '../../../src/lifecycle/pid-file.js';
import { Restarts } from '../../../src/lifecycle/restarts.js';
import { FakeLog } from '../../helpers/fake-log.js';
import { configOf, POOL } from '../config/memory-disk.js';

export const DONE: Outcome = { isComplete: true, summary: 'done' };

/** A promise that a test settles. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let settle: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: settle };
}

export interface FakeSettings {
  /** `process_control_timeout` in seconds. */
  readonly boundS?: number;
  readonly parts?: Partial<MasterParts>;
}

/** A master whose parts note what is asked of them; its timers stand still. */
export function fakeMaster(t: TestContext, { boundS = 0, parts = {} }: FakeSettings = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const log = new FakeLog();
  const done: string[] = [];
  const poolsEnded = deferred();
  /** Reloads that have begun. */
  const reloads: ((outcome: Outcome) => void)[] = [];
  const note = (what: string) => () => {
    done.push(what);
  };
  const noteAsync = (what: string) => async () => {
    done.push(what);
  };
  const config: Config = configOf(`process_control_timeout = ${boundS}\n${POOL}`);
  const master = new Master({
    log,
    isRoot: true,
    orphans: { reap: note('look for orphans') },
    pools: {
      start: noteAsync('start pools'),
      run: note('run pools'),
      drain: note('drain'),
      killWorkers: note('kill workers'),
      killZygotes: note('kill zygotes'),
      ended: () => poolsEnded.promise,
      close: async ({ keepsInherited = false } = {}) => {
        done.push(keepsInherited ? 'close pools, keep inherited' : 'close pools');
      },
    },
    reloads: {
      config,
      perform: () => {
        done.push('reload');
        const { promise, resolve } = deferred<Outcome>();
        reloads.push(resolve);
        return promise;
      },
    },
    restarts: new Restarts(undefined, () => 0),
    upgrader: {
      isNewVersionInstalled: () => false,
      upgrade: async () => {
        done.push('upgrade');
        return { isComplete: false, summary: 'refused' };
      },
      restart: noteAsync('restart'),
    },
    formerProgram: undefined,
    servers: {
      openHttp: noteAsync('open http'),
      openControl: noteAsync('open control'),
      close: noteAsync('close servers'),
    },
    systemd: {
      ready: note('READY'),
      reloading: note('RELOADING'),
      stopping: note('STOPPING'),
      close: note('close systemd'),
    },
    pidFile: new PidFile(undefined),
    accessLogs: {
      keep: () => {
        done.push('keep access logs');
        return [];
      },
      close: noteAsync('close access logs'),
    },
    reopenLogs: () => {
      done.push('reopen logs');
      return DONE;
    },
    libraryFd: openSync('/dev/null', 'r'),
    ...parts,
  });
  return { master, log, done, poolsEnded, reloads };
}

/** What was promised before has been told. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
