import type { MasterLog } from '../log/master-log.js';
import { systemFailure } from '../os/libc.js';
import type { Milliseconds } from '../units.js';
import { type Execution, execute } from './execution.js';
import { fingerprint } from './fingerprint.js';
import { forkFrom } from './fork-from-template.js';
import type { Orphans } from './orphans.js';
import type { Startup } from './startup.js';
import { Template } from './template.js';
import type { StartProcess } from './zygote-process.js';

/** After a template that did not start, for want of memory for example. */
const TRY_AGAIN_MS: Milliseconds = 10_000;

/** A template, and what it was made of: files that differ now would make another one. */
interface Made {
  readonly template: Template;
  /** Once it is ready. */
  startedFrom: string | undefined;
}

/** Who says how zygotes are started. */
export interface ZygoteStarts {
  /** How a zygote of that pool is started, now. */
  start(pool: object, startup: Startup): StartProcess;
  /** The pool is gone. */
  forget(pool: object): void;
  /** At a reload: PHP may find other files from now on. */
  renew(): void;
}

/** Each zygote has a php-cgi of its own. */
export const OWN_STARTS: ZygoteStarts = {
  start: (_pool, { own }) => execute(own),
  forget: () => {},
  renew: () => {},
};

/**
 * The templates of this master, by startup key. One is started when a second pool starts that could be forked from
 * it: a pool that is alone with its key has a php-cgi of its own, which costs less than two. It stays while two such
 * pools are there.
 */
export class Templates implements ZygoteStarts {
  readonly #log: MasterLog;
  readonly #orphans: Orphans;
  readonly #keysByPool = new Map<object, string>();
  readonly #poolCounts = new Map<string, number>();
  readonly #made = new Map<string, Made>();
  /** Keys without a template, until then: the next reload at the latest. */
  readonly #triedAgainAtMs = new Map<string, Milliseconds>();
  readonly #nowMs: () => Milliseconds;
  /** Obstacles that were told. */
  readonly #told = new Set<string>();

  /** @param nowMs monotonic */
  constructor(log: MasterLog, orphans: Orphans, nowMs: () => Milliseconds) {
    this.#log = log;
    this.#nowMs = nowMs;
    this.#orphans = orphans;
  }

  /** What is forked later is forked from new templates. */
  renew(): void {
    this.#triedAgainAtMs.clear();
    for (const key of [...this.#made.keys()]) this.#end(key);
  }

  forget(pool: object): void {
    const key = this.#keysByPool.get(pool);
    if (key === undefined) return;
    this.#keysByPool.delete(pool);
    const count = (this.#poolCounts.get(key) ?? 1) - 1;
    if (count > 0) this.#poolCounts.set(key, count);
    else this.#poolCounts.delete(key);
    if (count < 2) this.#end(key);
  }

  start(pool: object, startup: Startup): StartProcess {
    this.#note(pool, startup.key);
    const own = execute(startup.own);
    if ((this.#poolCounts.get(startup.key) ?? 0) < 2 || !this.#mayTry(startup.key)) return own;
    const template = this.#templateFor(startup);
    return template === undefined ? own : forkFrom(template, this.#orphans, own);
  }

  #mayTry(key: string): boolean {
    return this.#nowMs() >= (this.#triedAgainAtMs.get(key) ?? Number.NEGATIVE_INFINITY);
  }

  #note(pool: object, key: string): void {
    if (this.#keysByPool.get(pool) === key) return;
    this.forget(pool);
    this.#keysByPool.set(pool, key);
    this.#poolCounts.set(key, (this.#poolCounts.get(key) ?? 0) + 1);
  }

  #templateFor({ key, template: execution }: Startup): Template | undefined {
    const made = this.#made.get(key);
    if (made?.startedFrom !== undefined && made.startedFrom !== filesOf(execution, made.template))
      this.#end(key);
    return this.#made.get(key)?.template ?? this.#make(key, execution);
  }

  #make(key: string, execution: Execution): Template | undefined {
    try {
      const template = new Template(execution, this.#log, {
        onReady: () => {
          made.startedFrom = filesOf(execution, template);
        },
        onEnd: () => this.#onEnd(key, execution, made),
      });
      const made: Made = { template, startedFrom: undefined };
      this.#made.set(key, made);
      return template;
    } catch (error) {
      const reason = systemFailure(error);
      if (reason === undefined) throw error;
      this.#onNotStarted(key, execution, reason);
      return undefined;
    }
  }

  #end(key: string): void {
    this.#made.get(key)?.template.end();
    this.#made.delete(key);
  }

  #onEnd(key: string, execution: Execution, { template, startedFrom }: Made): void {
    if (this.#made.get(key)?.template !== template) return; // it was asked to end
    this.#made.delete(key);
    const { obstacle, failure, pid } = template;
    const { binary } = execution;
    if (startedFrom !== undefined) {
      this.#log.warning(
        `template ${pid} of php-cgi '${binary}' ended: ${failure}; the next zygote starts another`,
      );
    } else if (obstacle === undefined) {
      this.#onNotStarted(key, execution, failure);
    } else {
      this.#triedAgainAtMs.set(key, Number.POSITIVE_INFINITY);
      this.#tellObstacle(
        `php-cgi '${binary}' is started for each pool by itself, not once for all that are alike: ${obstacle}`,
      );
    }
  }

  #onNotStarted(key: string, { binary }: Execution, reason: string): void {
    this.#triedAgainAtMs.set(key, this.#nowMs() + TRY_AGAIN_MS);
    const next = `each pool has a php-cgi of its own until another is tried in ${TRY_AGAIN_MS / 1000} s`;
    this.#log.warning(`a template of php-cgi '${binary}' cannot be started: ${reason}; ${next}`);
  }

  #tellObstacle(line: string): void {
    if (this.#told.has(line)) return;
    this.#told.add(line);
    this.#log.notice(line);
  }
}

function filesOf({ binary }: Execution, template: Template): string {
  return fingerprint([binary, ...template.files]);
}
