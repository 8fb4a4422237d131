import type { MasterLog } from '../log/master-log.js';
import { systemFailure } from '../os/libc.js';
import type { Count, Milliseconds } from '../units.js';
import { type Execution, execute } from './execution.js';
import { forkFrom } from './fork-from-template.js';
import type { Orphans } from './orphans.js';
import { askBuiltIn, StartLines, startLineText } from './start-lines.js';
import type { Startup } from './startup.js';
import { Template } from './template.js';
import type { StartProcess } from './zygote-process.js';

/** After a template that did not start, for want of memory for example. */
const TRY_AGAIN_MS: Milliseconds = 10_000;

/** How often, at most, a template's files are compared with those that it was made of. */
const COMPARE_AGAIN_MS: Milliseconds = 1000;

/** How the templates of one key are started. */
interface Recipe {
  /** Of the startup, and the name of the `opcache.share` where there is one. */
  readonly key: string;
  readonly execution: Execution;
  readonly share: string | undefined;
  readonly start: () => StartProcess;
}

interface Made {
  readonly template: Template;
  readonly recipe: Recipe;
  /** When its files were compared with those that it was made of: others would make another one. */
  comparedAtMs: Milliseconds;
}

/** Who says how zygotes are started. */
export interface ZygoteStarts {
  /** How a zygote of that pool is started, now. */
  start(pool: object, startup: Startup): StartProcess;
  /** Its workers crash: memory that it shares with other pools may be broken, and is for none that starts later. */
  distrust(pool: object): void;
  /** The pool is gone. */
  forget(pool: object): void;
  /** At a reload by which these get other generations: PHP may find other files from now on. */
  renew(pools: readonly object[]): void;
  /** No pool will start a zygote any more. */
  stop(): void;
  /** When nothing is left of what was started for several pools, after all of them were forgotten. */
  ended(): Promise<void>;
}

/** Each zygote has a php-cgi of its own. */
export const OWN_STARTS: ZygoteStarts = {
  start: (_pool, { own }) => execute(own),
  distrust: () => {},
  forget: () => {},
  renew: () => {},
  stop: () => {},
  ended: () => Promise.resolve(),
};

/**
 * The templates of this master, by startup key. One is started when a second pool starts that could be forked from
 * it: a pool that is alone with its key has a php-cgi of its own, which costs less than two. It stays while two such
 * pools are there.
 *
 * Pools of one `opcache.share` have one more, from the first such pool on. It counts as one pool of its startup key,
 * and is forked from that key's template where there is one.
 */
export class Templates implements ZygoteStarts {
  readonly #log: MasterLog;
  readonly #orphans: Orphans;
  /** By pool, or by the key of an `opcache.share`. */
  readonly #keysByUser = new Map<object | string, string>();
  readonly #userCounts = new Map<string, Count>();
  /** By pool: the template whose memory its latest zygote shares. */
  readonly #sharedByPool = new WeakMap<object, Template>();
  readonly #made = new Map<string, Made>();
  /** Those that are to end, too. */
  readonly #living = new Set<Template>();
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

  renew(pools: readonly object[]): void {
    this.#triedAgainAtMs.clear();
    for (const pool of pools) {
      const key = this.#keysByUser.get(pool);
      if (key === undefined) continue;
      this.#end(key);
      const keyOfShare = this.#keysByUser.get(key);
      if (keyOfShare !== undefined) this.#end(keyOfShare);
    }
  }

  stop(): void {
    for (const template of this.#living) template.kill();
    this.#made.clear();
  }

  async ended(): Promise<void> {
    await Promise.all([...this.#living].map((template) => template.ended));
  }

  distrust(pool: object): void {
    const key = this.#keysByUser.get(pool);
    const shared = this.#sharedByPool.get(pool);
    // Another pool may have crashed before, and there is a new one already.
    if (key !== undefined && shared !== undefined && this.#made.get(key)?.template === shared) this.#end(key);
  }

  start(pool: object, startup: Startup): StartProcess {
    const own = execute(startup.own);
    const { shared } = startup;
    if (shared === undefined) return this.#startAlike(pool, startup, own);
    const { name: share, execution } = shared;
    const key = `${share} ${startup.key}`;
    this.#note(pool, key);
    const start = () => this.#startAlike(key, startup, execute(execution), share);
    const template = this.#templateFor({ key, execution, share, start });
    if (template === undefined) return own;
    this.#sharedByPool.set(pool, template);
    return forkFrom(template, this.#orphans, own);
  }

  /** @param share what is started is the template of that `opcache.share`, instead of a zygote */
  #startAlike(user: object | string, startup: Startup, own: StartProcess, share?: string): StartProcess {
    const { key, template: execution } = startup;
    this.#note(user, key);
    if ((this.#userCounts.get(key) ?? 0) < 2) return own;
    const template = this.#templateFor({ key, execution, share: undefined, start: () => execute(execution) });
    return template === undefined ? own : forkFrom(template, this.#orphans, own, share);
  }

  #mayTry(key: string): boolean {
    return this.#nowMs() >= (this.#triedAgainAtMs.get(key) ?? Number.NEGATIVE_INFINITY);
  }

  #note(user: object | string, key: string): void {
    if (this.#keysByUser.get(user) === key) return;
    this.forget(user);
    this.#keysByUser.set(user, key);
    this.#userCounts.set(key, (this.#userCounts.get(key) ?? 0) + 1);
  }

  forget(user: object | string): void {
    const key = this.#keysByUser.get(user);
    if (key === undefined) return;
    this.#keysByUser.delete(user);
    const count = (this.#userCounts.get(key) ?? 1) - 1;
    if (count > 0) this.#userCounts.set(key, count);
    else this.#userCounts.delete(key);
    const isOfShare = this.#keysByUser.has(key);
    if (count < (isOfShare ? 1 : 2)) this.#end(key);
    if (isOfShare && count === 0) this.forget(key);
  }

  #templateFor(recipe: Recipe): Template | undefined {
    const { key } = recipe;
    if (!this.#mayTry(key)) return undefined;
    const made = this.#made.get(key);
    if (made !== undefined && this.#isOutdated(made)) this.#end(key);
    return this.#made.get(key)?.template ?? this.#make(recipe);
  }

  /** Dozens of files are looked up for that: not for each of many zygotes that start together. */
  #isOutdated(made: Made): boolean {
    const { startedFrom } = made.template;
    const nowMs = this.#nowMs();
    if (startedFrom === undefined || nowMs - made.comparedAtMs < COMPARE_AGAIN_MS) return false;
    made.comparedAtMs = nowMs;
    return !startedFrom.isUpToDate;
  }

  #make(recipe: Recipe): Template | undefined {
    const { key, execution, start } = recipe;
    const startLines = new StartLines(undefined, this.#log, askBuiltIn(execution.environment));
    try {
      const { binary } = execution;
      const template = new Template(
        { binary, start: start(), log: this.#log },
        {
          onLine: (line) => startLines.tell(startLineText(line), binary),
          onEnd: () => this.#onEnd(made),
        },
      );
      const made: Made = { template, recipe, comparedAtMs: Number.NEGATIVE_INFINITY };
      this.#made.set(key, made);
      this.#living.add(template);
      return template;
    } catch (error) {
      const reason = systemFailure(error);
      if (reason === undefined) throw error;
      this.#onNotStarted(recipe, reason);
      return undefined;
    }
  }

  #end(key: string): void {
    this.#made.get(key)?.template.end();
    this.#made.delete(key);
  }

  #onEnd({ template, recipe }: Made): void {
    this.#living.delete(template);
    if (this.#made.get(recipe.key)?.template !== template) return; // it was asked to end
    this.#made.delete(recipe.key);
    const { obstacle, failure, pid, startedFrom } = template;
    if (startedFrom !== undefined) {
      const { binary } = recipe.execution;
      this.#log.warning(
        `template ${pid} of php-cgi '${binary}' ended: ${failure}; the next zygote starts another`,
      );
    } else if (obstacle === undefined) {
      this.#onNotStarted(recipe, failure);
    } else {
      this.#triedAgainAtMs.set(recipe.key, Number.POSITIVE_INFINITY);
      this.#tellObstacle(recipe, obstacle);
    }
  }

  #onNotStarted({ key, execution }: Recipe, reason: string): void {
    this.#triedAgainAtMs.set(key, this.#nowMs() + TRY_AGAIN_MS);
    const next = `each pool has a php-cgi of its own until another is tried in ${TRY_AGAIN_MS / 1000} s`;
    this.#log.warning(`a template of php-cgi '${execution.binary}' cannot be started: ${reason}; ${next}`);
  }

  /** Once. Of an `opcache.share` as a warning: it was asked for. */
  #tellObstacle({ share, execution }: Recipe, obstacle: string): void {
    const consequence = `php-cgi '${execution.binary}' is started for each pool by itself`;
    const line =
      share === undefined
        ? `${consequence}, not once for all that are alike: ${obstacle}`
        : `'opcache.share = ${share}' has no effect: ${consequence}: ${obstacle}`;
    if (this.#told.has(line)) return;
    this.#told.add(line);
    if (share === undefined) this.#log.notice(line);
    else this.#log.warning(line);
  }
}
