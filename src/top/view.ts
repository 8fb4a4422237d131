import type { Count, Milliseconds } from '../units.js';
import type { WorkerFigures } from './figures.js';

/** What workers are ordered by, in the order in which `s` goes through them. */
export const SORT_KEYS = ['time', 'cpu', 'memory', 'requests', 'age', 'pid', 'pool'] as const;
export type SortKey = (typeof SORT_KEYS)[number];

/** What the user has chosen to see. */
export interface View {
  readonly sort: SortKey;
  readonly isReversed: boolean;
  /** Only workers whose pool, state or request contains it are shown; upper and lower case are the same. */
  readonly filter: string;
  /** The filter is being typed. */
  readonly isTyping: boolean;
  /** Only this pool. */
  readonly pool: string | undefined;
  readonly hidesIdle: boolean;
  readonly isPaused: boolean;
  readonly showsHelp: boolean;
  /** How many workers are above the first one shown. */
  readonly scrolled: Count;
  readonly intervalMs: Milliseconds;
}

export const FIRST_VIEW: View = {
  sort: 'time',
  isReversed: false,
  filter: '',
  isTyping: false,
  pool: undefined,
  hidesIdle: false,
  isPaused: false,
  showsHelp: false,
  scrolled: 0,
  intervalMs: 2000,
};

const INTERVALS_MS: readonly Milliseconds[] = [200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];
const LONGEST_FILTER: Count = 64;

/** What a key does: another view, or the end. */
export type KeyEffect = { readonly view: View } | 'quit' | 'suspend';

/** What a terminal sends for a key. A paste or a slow connection may bring several at once, or a part of one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const KEYS = /\x1b\[[0-9;]*[A-Za-z~]|\x1bO[A-Z]|\x1b|[\s\S]/gu;

/** Cuts what a terminal sends into keys. */
export function keysOf(text: string): string[] {
  return text.match(KEYS) ?? [];
}

/**
 * What a key does to a view.
 *
 * @param poolNames in the order shown
 * @param page workers that fit on the screen
 */
export function pressed(view: View, key: string, poolNames: readonly string[], page: Count): KeyEffect {
  if (key === '\x03') return 'quit';
  if (key === '\x1a') return 'suspend';
  if (view.isTyping) return { view: typed(view, key) };
  if (view.showsHelp && key !== 'q') return { view: { ...view, showsHelp: false } };
  const sort = SORT_LETTERS[key];
  if (sort !== undefined)
    return { view: { ...view, sort, isReversed: view.sort === sort && !view.isReversed, scrolled: 0 } };
  const scroll = SCROLLS[key];
  if (scroll !== undefined) return { view: { ...view, scrolled: Math.max(0, scroll(view.scrolled, page)) } };
  switch (key) {
    case 'q':
    case 'Q':
      return 'quit';
    case 's':
      return { view: { ...view, sort: after(SORT_KEYS, view.sort), isReversed: false, scrolled: 0 } };
    case 'r':
      return { view: { ...view, isReversed: !view.isReversed, scrolled: 0 } };
    case '/':
      return { view: { ...view, isTyping: true } };
    case '\x1b':
      return { view: { ...view, filter: '', pool: undefined, scrolled: 0 } };
    case 'p':
      return { view: { ...view, pool: after([undefined, ...poolNames], view.pool), scrolled: 0 } };
    case 'i':
      return { view: { ...view, hidesIdle: !view.hidesIdle, scrolled: 0 } };
    case ' ':
      return { view: { ...view, isPaused: !view.isPaused } };
    case '+':
      return {
        view: { ...view, intervalMs: INTERVALS_MS.find((ms) => ms > view.intervalMs) ?? view.intervalMs },
      };
    case '-':
      return {
        view: { ...view, intervalMs: INTERVALS_MS.findLast((ms) => ms < view.intervalMs) ?? view.intervalMs },
      };
    case 'h':
    case '?':
      return { view: { ...view, showsHelp: true } };
    default:
      return { view };
  }
}

/** The keys of top(1), for the orders that it has too. */
const SORT_LETTERS: Readonly<Record<string, SortKey>> = {
  P: 'cpu',
  M: 'memory',
  T: 'time',
  R: 'requests',
  A: 'age',
  N: 'pid',
};

const SCROLLS: Readonly<Record<string, (scrolled: Count, page: Count) => Count>> = {
  '\x1b[A': (scrolled) => scrolled - 1,
  '\x1bOA': (scrolled) => scrolled - 1,
  k: (scrolled) => scrolled - 1,
  '\x1b[B': (scrolled) => scrolled + 1,
  '\x1bOB': (scrolled) => scrolled + 1,
  j: (scrolled) => scrolled + 1,
  '\x1b[5~': (scrolled, page) => scrolled - page,
  '\x1b[6~': (scrolled, page) => scrolled + page,
  '\x1b[H': () => 0,
  '\x1b[1~': () => 0,
};

function typed(view: View, key: string): View {
  if (key === '\r' || key === '\n') return { ...view, isTyping: false };
  if (key === '\x1b') return { ...view, isTyping: false, filter: '', scrolled: 0 };
  if (key === '\x7f' || key === '\b')
    return { ...view, filter: [...view.filter].slice(0, -1).join(''), scrolled: 0 };
  if (key === '\x15') return { ...view, filter: '', scrolled: 0 };
  const isText = [...key].length === 1 && !/\p{Cc}/u.test(key);
  return isText && view.filter.length < LONGEST_FILTER
    ? { ...view, filter: view.filter + key, scrolled: 0 }
    : view;
}

function after<Item>(items: readonly Item[], item: Item): Item {
  return items[(items.indexOf(item) + 1) % items.length] as Item;
}

/** The workers that a view shows, in its order. */
export function shownWorkers(
  workers: readonly WorkerFigures[],
  { sort, isReversed, filter, pool, hidesIdle }: View,
): WorkerFigures[] {
  const wanted = filter.toLowerCase();
  const shown = workers.filter(
    (each) =>
      (pool === undefined || each.pool === pool) &&
      !(hidesIdle && each.worker.state === 'Idle') &&
      (wanted === '' || searched(each).includes(wanted)),
  );
  const compare = ORDERS[sort];
  return shown.sort((a, b) => (isReversed ? -1 : 1) * compare(a, b) || a.worker.pid - b.worker.pid);
}

function searched({ pool, worker }: WorkerFigures): string {
  const { pid, state, method, uri, script } = worker;
  return `${pid} ${pool} ${state} ${method} ${uri} ${script}`.toLowerCase();
}

type Order = (a: WorkerFigures, b: WorkerFigures) => number;

const down =
  (figureOf: (each: WorkerFigures) => number | undefined): Order =>
  (a, b) =>
    (figureOf(b) ?? -1) - (figureOf(a) ?? -1);

/** Largest first, but for pids and names. Running requests come before ended ones. */
const ORDERS: Readonly<Record<SortKey, Order>> = {
  time: (a, b) =>
    Number(a.worker.state === 'Idle') - Number(b.worker.state === 'Idle') ||
    down(({ worker }) => worker.durationMs)(a, b),
  cpu: down(({ cpuPercent }) => cpuPercent),
  memory: down(({ privateBytes }) => privateBytes),
  requests: down(({ worker }) => worker.requests),
  age: down(({ worker }) => worker.ageS),
  pid: (a, b) => a.worker.pid - b.worker.pid,
  pool: (a, b) => (a.pool < b.pool ? -1 : a.pool > b.pool ? 1 : 0),
};
