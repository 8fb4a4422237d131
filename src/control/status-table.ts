import { terminalText } from '../text/harmless.js';
import type { Count, Seconds } from '../units.js';
import type { ControlPoolStatus, ControlStatus } from './target.js';

/** A column of the table: its head, its width, and what stands in it. */
interface Column {
  readonly head: string;
  readonly width: Count;
  readonly isText?: true;
  readonly cell: (pool: ControlPoolStatus) => string;
}

/** 80 columns with a blank between two of them. */
const COLUMNS: readonly Column[] = [
  { head: 'POOL', width: 19, isText: true, cell: ({ name }) => name },
  { head: 'PM', width: 8, isText: true, cell: ({ processManager }) => processManager },
  // A generation serves for as long as its zygote is there.
  {
    head: 'GEN',
    width: 4,
    cell: ({ generation, zygotePid }) => (zygotePid === null ? '-' : String(generation)),
  },
  { head: 'IDLE', width: 5, cell: ({ idle }) => String(idle) },
  { head: 'BUSY', width: 5, cell: ({ active }) => String(active) },
  { head: 'MAX', width: 5, cell: ({ maxChildren }) => String(maxChildren) },
  { head: 'QUEUE', width: 5, cell: ({ listenQueue }) => String(listenQueue) },
  { head: 'REQUESTS', width: 13, cell: ({ requests }) => String(requests) },
  { head: 'SLOW', width: 8, cell: ({ slowRequests }) => String(slowRequests) },
];

/** `tsfpm status`, for people, in lines of 80 columns; longer texts are cut, but for a pool's trouble. */
export function statusTable({ master, pools }: ControlStatus): string[] {
  const { version, pid, state, startSinceS, reloads, ready, reason, configFile } = master;
  const failed = reloads.failed === 0 ? '' : `, ${reloads.failed} refused`;
  const last = reloads.isLastSuccessful ? '' : ' (the last one too)';
  return [
    `tsfpm ${version}, pid ${pid}, ${state} for ${durationText(startSinceS)}, ` +
      (ready ? 'ready' : `not ready: ${reason}`),
    `${configFile}, ${plural(reloads.succeeded, 'reload')}${failed}${last}`,
    '',
    row(({ head }) => head),
    ...pools.toSorted(byWork).flatMap((pool) => [row(({ cell }) => cell(pool)), ...remarks(pool)]),
  ].map(terminalText);
}

/** The busiest first; the others in the order of the configuration. */
function byWork(a: ControlPoolStatus, b: ControlPoolStatus): number {
  return b.listenQueue - a.listenQueue || b.active - a.active;
}

/** Whether an answer has what the table needs: a master of another version may have written it. */
export function isControlStatus(data: unknown): data is ControlStatus {
  const { master, pools } = (data ?? {}) as Partial<Record<string, unknown>>;
  const reloads = (master as { reloads?: unknown } | undefined)?.reloads;
  return (
    typeof reloads === 'object' &&
    reloads !== null &&
    Array.isArray(pools) &&
    pools.every((pool) => typeof pool?.name === 'string')
  );
}

/** `3 d 4 h`: the two largest units. */
export function durationText(seconds: Seconds): string {
  const parts: [Count, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

function row(cellOf: (column: Column) => string): string {
  return COLUMNS.map((column) => fit(cellOf(column), column))
    .join(' ')
    .trimEnd();
}

function fit(text: string, { width, isText }: Column): string {
  if (isText) return (text.length > width ? `${text.slice(0, width - 1)}~` : text).padEnd(width);
  return text.padStart(width);
}

function remarks(pool: ControlPoolStatus): string[] {
  const { trouble, draining, refused = 0, gone = 0, keptIdle = 0, keptReady = 0 } = pool;
  return [
    ...(keptIdle > 0 || keptReady > 0
      ? [`  kept without a worker: ${plural(keptIdle, 'idle connection')}, ${keptReady} with a request`]
      : []),
    ...(refused > 0 || Number(gone) > 0
      ? [`  overload so far: ${plural(refused, 'client')} got 503 from the queue, ${gone} had left it`]
      : []),
    ...(draining > 0 ? [`  ${plural(draining, 'worker')} of older generations still at work`] : []),
    ...(trouble ? [`  ${trouble}`] : []),
  ];
}

function plural(count: Count, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
