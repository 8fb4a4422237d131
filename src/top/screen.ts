import { ageText, bytesText, countText, fitted, percentText, rateText, tookText } from '../text/figures.js';
import { cellText } from '../text/harmless.js';
import type { Count } from '../units.js';
import type { Figures, PoolFigures, WorkerFigures } from './figures.js';
import { type SortKey, shownWorkers, type View } from './view.js';

/** How a piece of a line is shown where there are colours. Its text must be enough without. */
export type Look = 'plain' | 'head' | 'faint' | 'good' | 'warning' | 'alarm' | 'chosen';

export interface Span {
  readonly text: string;
  readonly look: Look;
}

export type Line = readonly Span[];

export interface ScreenSize {
  readonly columns: Count;
  /** undefined for no limit, as in a pipe. */
  readonly rows: Count | undefined;
}

export interface ScreenInput {
  readonly figures: Figures;
  readonly view: View;
  readonly size: ScreenSize;
  /** Why the master cannot be asked; shown in place of its state. */
  readonly trouble?: string | undefined;
  /** The local time of day, `22:14:03`. */
  readonly clock: string;
}

export interface Screen {
  readonly lines: readonly Line[];
  /** How many workers there is room for. */
  readonly page: Count;
  /** How far the view could be scrolled. */
  readonly scrolled: Count;
}

const NARROWEST: Count = 20;
const HEAD_ROWS: Count = 3;

/** Makes as many lines as the screen has rows, none wider than its columns. */
export function screenOf(input: ScreenInput): Screen {
  const columns = Math.max(NARROWEST, input.size.columns);
  const { rows } = input.size;
  const head = headLines(input, columns);
  if (input.view.showsHelp)
    return cut({ lines: [...head, ...HELP.map(plain)], page: 0, scrolled: 0 }, columns, rows);
  const pools = poolTable(
    input,
    columns,
    rows === undefined ? undefined : Math.max(2, Math.floor((rows - HEAD_ROWS - 2) / 2)),
  );
  const left = rows === undefined ? undefined : Math.max(0, rows - head.length - pools.length - 2);
  const table = workerTable(input, columns, left);
  const foot = rows === undefined ? [] : [footLine(input.view)];
  const body = [...head, ...pools, [], ...table.lines];
  const filled =
    rows === undefined ? body : [...body.slice(0, rows - 1), ...blanks(Math.max(0, rows - 1 - body.length))];
  return cut({ ...table, lines: [...filled, ...foot] }, columns, rows);
}

function cut(screen: Screen, columns: Count, rows: Count | undefined): Screen {
  return { ...screen, lines: screen.lines.slice(0, rows).map((line) => cutLine(line, columns)) };
}

function cutLine(line: Line, columns: Count): Line {
  let room = columns;
  const kept: Span[] = [];
  for (const { text, look } of line) {
    if (room <= 0) break;
    kept.push({ text: text.slice(0, room), look });
    room -= text.length;
  }
  return kept;
}

const blanks = (count: Count): Line[] => Array.from({ length: count }, () => []);
const plain = (text: string): Line => [{ text, look: 'plain' }];

// ---- the first lines ----

function headLines({ figures, view, trouble, clock }: ScreenInput, columns: Count): Line[] {
  const { master } = figures;
  const standing = cellText(
    `tsfpm ${master.version}, pid ${master.pid}, ${master.state} for ${ageText(master.startSinceS)}`,
  );
  const ready = trouble ?? (master.ready ? 'ready' : `not ready: ${master.reason}`);
  const isGood = trouble === undefined && master.ready;
  const room = Math.max(0, columns - standing.length - 2 - clock.length - 1);
  return [
    [
      { text: `${standing}, `, look: 'plain' },
      { text: fitted(cellText(ready), room), look: isGood ? 'good' : 'alarm' },
      { text: ` ${clock}`, look: 'faint' },
    ],
    sumLine(figures),
    chosenLine(view),
  ];
}

function sumLine(figures: Figures): Line {
  const { pools, active, maxChildren, listenQueue, requestsPerS, p50Ms, p99Ms, privateBytes } = figures;
  const queue: Span = {
    text: `queue ${countText(listenQueue)}`,
    look: listenQueue > 0 ? 'warning' : 'plain',
  };
  const texts = [
    `${pools.length} pool${pools.length === 1 ? '' : 's'}`,
    `${active} of ${maxChildren} workers busy`,
    queue,
    `${rateText(requestsPerS)} req/s`,
    `p50 ${tookText(p50Ms)}`,
    `p99 ${tookText(p99Ms)}`,
    bytesText(privateBytes),
  ];
  return texts.flatMap((each, index): Span[] => [
    ...(index === 0 ? [] : [{ text: ', ', look: 'plain' } as const]),
    typeof each === 'string' ? { text: each, look: 'plain' } : each,
  ]);
}

function chosenLine({ filter, isTyping, pool, isPaused, hidesIdle }: View): Line {
  const parts = [
    ...(isTyping ? [`filter: ${cellText(filter)}_`] : filter === '' ? [] : [`filter: ${cellText(filter)}`]),
    ...(pool === undefined ? [] : [`pool: ${cellText(pool)}`]),
    ...(hidesIdle ? ['idle workers hidden'] : []),
    ...(isPaused ? ['paused'] : []),
  ];
  return parts.length === 0 ? [] : [{ text: parts.join(', '), look: 'chosen' }];
}

// ---- tables ----

interface Column<Row> {
  readonly head: string;
  readonly width: Count;
  readonly side: 'left' | 'right';
  readonly text: (row: Row) => string;
  readonly look?: (row: Row) => Look;
  /** The column takes the room that is left. */
  readonly isFlexible?: true;
  readonly sort?: SortKey;
}

const POOL_COLUMNS: readonly Column<PoolFigures>[] = [
  {
    head: 'POOL',
    width: 14,
    side: 'left',
    isFlexible: true,
    text: ({ pool }) => pool.name,
    look: ({ pool }) => (pool.trouble === undefined ? 'plain' : 'alarm'),
  },
  {
    head: 'BUSY',
    width: 5,
    side: 'right',
    text: ({ pool }) => countText(pool.active),
    look: ({ pool }) => (pool.active >= pool.maxChildren ? 'alarm' : pool.active > 0 ? 'good' : 'plain'),
  },
  { head: 'IDLE', width: 5, side: 'right', text: ({ pool }) => countText(pool.idle) },
  { head: 'MAX', width: 5, side: 'right', text: ({ pool }) => countText(pool.maxChildren) },
  {
    head: 'QUEUE',
    width: 5,
    side: 'right',
    text: ({ pool }) => countText(pool.listenQueue),
    look: ({ pool }) => (pool.listenQueue > 0 ? 'warning' : 'plain'),
  },
  { head: 'REQ/S', width: 6, side: 'right', text: ({ requestsPerS }) => rateText(requestsPerS) },
  { head: 'P50', width: 6, side: 'right', text: ({ p50Ms }) => tookText(p50Ms) },
  { head: 'P99', width: 6, side: 'right', text: ({ p99Ms }) => tookText(p99Ms) },
  { head: 'CPU%', width: 5, side: 'right', text: ({ cpuPercent }) => percentText(cpuPercent) },
  { head: 'MEM', width: 5, side: 'right', text: ({ privateBytes }) => bytesText(privateBytes) },
  { head: 'REQUESTS', width: 8, side: 'right', text: ({ pool }) => countText(pool.requests) },
];

/** One word for a state. */
const STATES: Readonly<Record<string, string>> = {
  Idle: 'idle',
  Running: 'run',
  'Reading headers': 'read',
  'Getting request information': 'read',
  Finishing: 'end',
  Ending: 'end',
};

const WORKER_COLUMNS: readonly Column<WorkerFigures>[] = [
  { head: 'PID', width: 7, side: 'right', text: ({ worker }) => String(worker.pid), sort: 'pid' },
  { head: 'POOL', width: 9, side: 'left', text: ({ pool }) => pool, sort: 'pool' },
  {
    head: 'STATE',
    width: 5,
    side: 'left',
    text: ({ worker }) => STATES[worker.state] ?? worker.state,
    look: ({ worker }) => (worker.state === 'Idle' ? 'faint' : 'good'),
  },
  { head: 'AGE', width: 4, side: 'right', text: ({ worker }) => ageText(worker.ageS), sort: 'age' },
  {
    head: 'REQS',
    width: 5,
    side: 'right',
    text: ({ worker }) => countText(worker.requests),
    sort: 'requests',
  },
  { head: 'CPU%', width: 5, side: 'right', text: ({ cpuPercent }) => percentText(cpuPercent), sort: 'cpu' },
  {
    head: 'MEM',
    width: 5,
    side: 'right',
    text: ({ privateBytes }) => bytesText(privateBytes),
    sort: 'memory',
  },
  {
    head: 'TIME',
    width: 6,
    side: 'right',
    text: ({ worker }) => tookText(worker.durationMs),
    look: ({ worker }) => (worker.state === 'Idle' ? 'faint' : 'plain'),
    sort: 'time',
  },
  {
    head: 'REQUEST',
    width: 12,
    side: 'left',
    isFlexible: true,
    text: ({ worker }) => requestText(worker),
    look: ({ worker }) => (worker.state === 'Idle' ? 'faint' : 'plain'),
  },
];

function requestText({ method, uri, script }: WorkerFigures['worker']): string {
  return method === '' && uri === '' ? '' : `${method} ${uri === '' ? script : uri}`;
}

function poolTable({ figures, view }: ScreenInput, columns: Count, most: Count | undefined): Line[] {
  const all = figures.pools.filter(({ pool }) => view.pool === undefined || pool.name === view.pool);
  const room = most === undefined ? all.length : most - 1;
  // If there is no room for all pools, those with activity are shown.
  const chosen =
    all.length <= room
      ? all
      : [...all]
          .sort(
            (a, b) =>
              b.pool.listenQueue - a.pool.listenQueue ||
              b.pool.active - a.pool.active ||
              (b.requestsPerS ?? 0) - (a.requestsPerS ?? 0),
          )
          .slice(0, Math.max(1, room - 1));
  const hidden = all.length - chosen.length;
  return [
    ...tableLines(POOL_COLUMNS, chosen, columns),
    ...(hidden > 0 ? [[{ text: `... and ${hidden} more, with less to do`, look: 'faint' } as const]] : []),
  ];
}

function workerTable({ figures, view }: ScreenInput, columns: Count, most: Count | undefined): Screen {
  const shown = shownWorkers(figures.workers, view);
  const page = most === undefined ? shown.length : Math.max(0, most - 1);
  const scrolled = Math.min(view.scrolled, Math.max(0, shown.length - page));
  const visible = shown.slice(scrolled, scrolled + page);
  const rest = shown.length - scrolled - visible.length + figures.workersLeftOut;
  const lines = tableLines(WORKER_COLUMNS, visible, columns, view);
  const note: Line[] = [];
  if (most === undefined && rest > 0) note.push([{ text: `... and ${rest} more`, look: 'faint' }]);
  if (shown.length === 0)
    note.push([{ text: figures.workers.length === 0 ? 'no workers' : 'no such workers', look: 'faint' }]);
  return { lines: [...lines, ...note], page, scrolled };
}

function tableLines<Row>(
  table: readonly Column<Row>[],
  rows: readonly Row[],
  columns: Count,
  view?: View,
): Line[] {
  const used = table.reduce((sum, { width }) => sum + width, 0) + table.length - 1;
  const widthOf = (column: Column<Row>) => {
    const { width, isFlexible, head } = column;
    if (isFlexible !== true) return width;
    const longest = rows.reduce((most, row) => Math.max(most, column.text(row).length), head.length);
    return Math.max(width, Math.min(width + columns - used, longest));
  };
  const head = table.map((column) => {
    const mark = view !== undefined && column.sort === view.sort ? (view.isReversed ? '^' : 'v') : '';
    return fitted(`${column.head}${mark}`, widthOf(column), column.side);
  });
  return [
    [{ text: head.join(' ').slice(0, columns).padEnd(columns), look: 'head' }],
    ...rows.map((row) =>
      table.flatMap((column, index): Span[] => [
        ...(index === 0 ? [] : [{ text: ' ', look: 'plain' } as const]),
        {
          text: fitted(cellText(column.text(row)), widthOf(column), column.side),
          look: column.look?.(row) ?? 'plain',
        },
      ]),
    ),
  ];
}

// ---- help ----

function footLine({ sort, intervalMs, isTyping }: View): Line {
  const text = isTyping
    ? 'type what to look for; Enter keeps it, Esc drops it'
    : `q quit  s sort: ${sort}  r reverse  / filter  p pool  i idle  +- every ${intervalMs / 1000} s  ? help`;
  return [{ text, look: 'faint' }];
}

const HELP: readonly string[] = [
  '',
  '  q, Ctrl-C       quit',
  '  s               next order of the workers; also P cpu, M memory, T time,',
  '                  R requests, A age, N pid',
  '  r               reverse the order',
  '  up, down, j, k  scroll; page up, page down',
  '  /               only workers with this text in pool, state, request or script',
  '  Esc             all workers again',
  '  p               next pool only; after the last one all of them',
  '  i               hide idle workers, or show them',
  '  + -             look less often, more often',
  '  space           pause',
  '',
  '  BUSY, IDLE, MAX: workers. QUEUE: clients that wait for one. P50, P99: half',
  '  and 99 % of the requests took no longer. CPU%: 100 is one core. MEM: private',
  '  memory. TIME: of the request so far, or of the last one.',
  '',
  '  any key goes back',
];
