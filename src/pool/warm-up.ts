import type { Count, Milliseconds } from '../units.js';
import { compileScripts, LIST_SCRIPTS, mostUsedScripts } from '../zygote/cached-scripts.js';
import type { Generation } from './generation.js';

/** For both steps together; then the new generation serves with what it has. */
const PATIENCE_MS: Milliseconds = 5000;

/** What was compiled for a new generation before it served. */
export interface Warmth {
  readonly scripts: Count;
  readonly tookMs: Milliseconds;
}

type Errand = Pick<Generation, 'errand'>;

/** `opcache.warmup`: a new generation has the scripts compiled that the one before it used most. */
export class WarmUp {
  readonly #nowMs: () => Milliseconds;
  /** What the last generation that answered used most. */
  #paths: readonly string[] = [];

  constructor(nowMs: () => Milliseconds) {
    this.#nowMs = nowMs;
  }

  /**
   * Nothing is asked of a pool that has served nothing. Where the old generation does not answer, what an earlier one
   * used counts.
   *
   * @param old undefined: there is none any more
   * @param most how many scripts; 0: none
   * @returns undefined where there was nothing to compile
   */
  async run(
    next: Errand,
    old: (Errand & Pick<Generation, 'hasServed'>) | undefined,
    most: Count,
  ): Promise<Warmth | undefined> {
    if (most === 0) return undefined;
    const startedMs = this.#nowMs();
    const leftMs = () => PATIENCE_MS - (this.#nowMs() - startedMs);
    const list = old?.hasServed ? await old.errand(LIST_SCRIPTS, leftMs()) : undefined;
    if (list !== undefined) this.#paths = mostUsedScripts(list, most);
    const paths = this.#paths.slice(0, most);
    if (paths.length === 0 || leftMs() <= 0) return undefined;
    const answer = await next.errand(compileScripts(paths), leftMs());
    const claimed = /^\d{1,6}$/.exec(answer?.toString('latin1') ?? '')?.[0];
    const scripts = Math.min(Number(claimed ?? 0), paths.length);
    return { scripts, tookMs: this.#nowMs() - startedMs };
  }
}
