import { wallClockUs } from '../os/clock.js';
import type { Milliseconds } from '../units.js';
import { LineFile } from './line-file.js';
import { LineMerge, type LineSource } from './line-merge.js';
import type { LostLines } from './sinks.js';

/**
 * One access log. The lines of all pools and generations that share it are in the order in which their requests
 * ended.
 */
export class AccessLogFile {
  readonly #file: LineFile;
  readonly #merge: LineMerge;

  /**
   * @param onRecovered see {@link LineFile}
   * @throws SystemError
   */
  constructor(path: string, onRecovered: (lost: LostLines) => void) {
    this.#file = new LineFile(path, onRecovered);
    this.#merge = new LineMerge({
      write: (bytes, lines) => this.#file.append(bytes, lines),
      nowUs: wallClockUs,
    });
  }

  get path(): string {
    return this.#file.path;
  }

  /** Where one generation of a pool adds its lines. */
  source(): LineSource {
    return this.#merge.source();
  }

  /** @throws SystemError and goes on with the old file */
  reopen(): void {
    this.#file.reopen();
  }

  /** Every line that was added is written or lost. */
  get isIdle(): boolean {
    return this.#merge.isEmpty && this.#file.isIdle;
  }

  /** @returns when every line that was added up to now is written or lost, or after `patienceMs` */
  idle(patienceMs: Milliseconds): Promise<void> {
    this.#merge.flush();
    return this.#file.idle(patienceMs);
  }

  /** Writes what is queued, within `patienceMs`, and takes no more lines. @returns lines that are lost and not told */
  close(patienceMs: Milliseconds): Promise<LostLines | undefined> {
    this.#merge.flush();
    return this.#file.close(patienceMs);
  }
}
