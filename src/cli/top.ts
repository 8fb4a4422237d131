import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT_CANNOT_WRITE, EXIT_CONFIG, EXIT_OK } from '../errors.js';
import { hasCode } from '../os/libc.js';
import { type Figures, figuresOf } from '../top/figures.js';
import { paint } from '../top/paint.js';
import { screenOf } from '../top/screen.js';
import { FIRST_VIEW, shownWorkers, type View } from '../top/view.js';
import type { Milliseconds } from '../units.js';
import { EXIT_UNAVAILABLE } from './control.js';
import { findControlSocket, whyNoControlSocket } from './control-socket.js';
import type { TopOptions } from './options.js';
import { MasterReader, type Reading } from './top-reader.js';
import { clockText, TopTerminal } from './top-terminal.js';

const INTERVAL_MS: Milliseconds = 2000;
const ONCE_INTERVAL_MS: Milliseconds = 1000;
/** Width of a table that goes into a pipe; COLUMNS overrides it. */
const PIPE_COLUMNS = 132;

/**
 * `tsfpm top`.
 *
 * @returns the exit code
 */
export async function top(options: TopOptions): Promise<number> {
  const path = findControlSocket(options);
  if (path === undefined) return fail(whyNoControlSocket(options), EXIT_CONFIG);
  // A reader that closes its pipe has seen what it wanted: `tsfpm top | head`.
  process.stdout.on('error', (error) => process.exit(hasCode(error, 'EPIPE') ? EXIT_OK : EXIT_CANNOT_WRITE));
  const reader = new MasterReader(path);
  const first = await reader.read();
  if (first.kind === 'failed') return fail(first.reason, first.exitCode);
  const isForPeople = !options.once && !options.json && process.stdout.isTTY === true;
  if (!isForPeople) return new Stream(options, reader).run(first);
  return new TopTerminal(firstView(options, INTERVAL_MS), reader, first).run();
}

function fail(reason: string, exitCode: number): number {
  process.stderr.write(`tsfpm: ${reason}\n`);
  return exitCode;
}

function firstView({ sort, filter, pool, intervalMs }: TopOptions, defaultMs: Milliseconds): View {
  return { ...FIRST_VIEW, sort, filter, pool, intervalMs: intervalMs ?? defaultMs };
}

/** Writes a table or a line of JSON at each interval, for pipes and programs. */
class Stream {
  readonly #options: TopOptions;
  readonly #reader: MasterReader;
  readonly #view: View;

  constructor(options: TopOptions, reader: MasterReader) {
    this.#options = options;
    this.#reader = reader;
    this.#view = firstView(options, options.once ? ONCE_INTERVAL_MS : INTERVAL_MS);
  }

  async run(first: Extract<Reading, { kind: 'live' }>): Promise<number> {
    let before = first;
    for (;;) {
      await sleep(this.#view.intervalMs);
      const now = await this.#reader.read();
      if (now.kind === 'failed') return fail(now.reason, EXIT_UNAVAILABLE);
      this.#write(figuresOf(now.live, before.live, now.usage));
      if (this.#options.once) return EXIT_OK;
      before = now;
    }
  }

  #write(figures: Figures): void {
    if (this.#options.json) {
      process.stdout.write(`${JSON.stringify(forPrograms(figures, this.#view))}\n`);
      return;
    }
    const columns = Number(process.env.COLUMNS) || process.stdout.columns || PIPE_COLUMNS;
    const size = { columns, rows: undefined };
    const { lines } = screenOf({ figures, view: this.#view, size, clock: clockText() });
    const hasColour = process.stdout.isTTY === true && !process.env.NO_COLOR;
    const end = this.#options.once ? '' : '\n';
    process.stdout.write(`${lines.map((line) => `${paint(line, hasColour).trimEnd()}\n`).join('')}${end}`);
  }
}

/** The figures as an object, each pool with its workers. */
function forPrograms(figures: Figures, view: View): object {
  const { master, pools, active, maxChildren, listenQueue, requestsPerS, p50Ms, p99Ms, privateBytes } =
    figures;
  const workers = shownWorkers(figures.workers, view);
  return {
    time: new Date().toISOString(),
    master,
    total: { active, maxChildren, listenQueue, requestsPerS, p50Ms, p99Ms, privateBytes },
    pools: pools
      .filter(({ pool }) => view.pool === undefined || pool.name === view.pool)
      .map(({ pool: { workers: _, ...pool }, ...rates }) => ({
        ...pool,
        ...rates,
        workers: workers
          .filter((each) => each.pool === pool.name)
          .map(({ worker, pool: _pool, ...usage }) => ({ ...worker, ...usage })),
      })),
  };
}
