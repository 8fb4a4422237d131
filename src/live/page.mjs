// The live page. It asks its own address for a LiveSnapshot (src/status/live.ts), keeps what was, and draws it.

import { mostOf } from './charts.mjs';
import { element, setText } from './elements.mjs';
import { ageText, bytesText, countText, nameText, PoolHistory, rateText, tookText } from './figures.mjs';
import { LONG_MS, PoolTable } from './pools.mjs';
import { byNumber, WorkerTable } from './tables.mjs';

const ASK_EVERY_MS = 2000;
/** Of the time, at most so much is spent on waiting for an answer and drawing it: one part in five. */
const PAUSE_FOR_EACH_MS = 4;
const PATIENCE_MS = 10_000;
const MOST_SLOW = 15;
const MOST_WORKERS = 50;

const requestOf = ({ worker }) => `${worker.method} ${worker.uri === '' ? worker.script : worker.uri}`.trim();
/** A state in one word. */
const STATES = { 'Reading headers': 'Reading', 'Getting request information': 'Reading' };
const stateOf = ({ worker }) => STATES[worker.state] ?? worker.state;
const isBusy = ({ worker }) => worker.state !== 'Idle';

const TIME = {
  head: 'Time',
  class: 'number',
  text: ({ worker }) => (worker.requests > 0 ? tookText(worker.durationMs) : ''),
  isLong: (row) => isBusy(row) && row.worker.durationMs >= LONG_MS,
  compare: (a, b) => Number(isBusy(b)) - Number(isBusy(a)) || b.worker.durationMs - a.worker.durationMs,
};
const POOL = {
  head: 'Pool',
  text: ({ pool }) => nameText(pool),
  compare: (a, b) => a.pool.localeCompare(b.pool),
};
const PID = {
  head: 'Pid',
  class: 'number wide',
  text: ({ worker }) => String(worker.pid),
  compare: (a, b) => a.worker.pid - b.worker.pid,
};
const REQUEST = { head: 'Request', class: 'request', text: requestOf };
const SLOW_COLUMNS = [
  TIME,
  POOL,
  REQUEST,
  { head: 'Script', class: 'script wide', text: ({ worker }) => worker.script },
  PID,
];
const WORKER_COLUMNS = [
  PID,
  POOL,
  {
    head: 'State',
    text: stateOf,
    compare: (a, b) => stateOf(a).localeCompare(stateOf(b)),
  },
  {
    head: 'Age',
    class: 'number wide',
    text: ({ worker }) => ageText(worker.ageS),
    compare: byNumber(({ worker }) => worker.ageS),
  },
  {
    head: 'Requests',
    class: 'number wide',
    text: ({ worker }) => countText(worker.requests),
    compare: byNumber(({ worker }) => worker.requests),
  },
  {
    head: 'Memory',
    class: 'number wide',
    text: ({ worker }) => bytesText(worker.privateBytes),
    compare: byNumber(({ worker }) => worker.privateBytes),
  },
  TIME,
  { ...REQUEST, head: 'Request, or the last one' },
];

class LivePage {
  #histories = new Map();
  #rows = [];
  #leftOut = 0;
  #isPaused = false;
  #timer;
  #misses = 0;

  constructor() {
    const at = (id) => document.getElementById(id);
    Object.assign(this, { state: at('state'), sums: at('sums'), filter: at('filter'), pause: at('pause') });
    this.workersTitle = at('workers-title');
    setText(at('place'), location.host);
    document.title = `tsfpm ${location.host}`;
    this.pools = new PoolTable({
      root: at('pools'),
      filter: at('pool-filter'),
      fold: at('fold'),
      title: at('pools-title'),
    });
    this.slow = new WorkerTable(at('slow'), 'Requests that run, the longest first', SLOW_COLUMNS);
    this.workers = new WorkerTable(at('workers'), 'Workers', WORKER_COLUMNS, TIME, () => this.#showWorkers());
    this.filter.addEventListener('input', () => this.#showWorkers());
    this.pause.addEventListener('click', () => this.#togglePause());
    // A hidden page asks nothing.
    document.addEventListener('visibilitychange', () => this.#askSoon());
  }

  #askSoon() {
    clearTimeout(this.#timer);
    if (!this.#isPaused && !document.hidden) void this.ask();
  }

  #togglePause() {
    this.#isPaused = !this.#isPaused;
    this.pause.setAttribute('aria-pressed', String(this.#isPaused));
    setText(this.pause, this.#isPaused ? 'Go on' : 'Pause');
    if (this.#isPaused) this.#tell('paused', '');
    this.#askSoon();
  }

  async ask() {
    clearTimeout(this.#timer);
    const startMs = performance.now();
    try {
      const response = await fetch(`${location.pathname}?json&live`, {
        cache: 'no-store',
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      if (!response.ok) throw new Error(`answered with ${response.status}`);
      const snapshot = await response.json();
      if (!this.#isPaused) this.#show(snapshot);
      this.#misses = 0;
    } catch (error) {
      this.#miss(error);
    }
    clearTimeout(this.#timer);
    const pauseMs = Math.max(ASK_EVERY_MS, PAUSE_FOR_EACH_MS * (performance.now() - startMs));
    if (!this.#isPaused && !document.hidden) this.#timer = setTimeout(() => void this.ask(), pauseMs);
  }

  #tell(text, kind) {
    setText(this.state, text);
    this.state.className = `state ${kind}`;
  }

  #miss(error) {
    this.#misses++;
    const why = error instanceof Error && error.message.startsWith('answered') ? error.message : 'no answer';
    this.#tell(`${why}; trying again (${this.#misses})`, 'bad');
  }

  #show({ nowMs, pools }) {
    const before = this.#histories;
    // A clock that goes back is another master's.
    this.#histories = new Map(
      pools.map((pool) => {
        const there = before.get(pool.name);
        const history = there !== undefined && there.atMs < nowMs ? there : new PoolHistory();
        history.add(pool, nowMs);
        return [pool.name, history];
      }),
    );
    this.#tell('live', 'good');
    const histories = [...this.#histories.values()];
    this.pools.show(histories);
    this.#showSums(histories);
    this.#rows = pools.flatMap(({ name, workers }) => workers.map((worker) => ({ pool: name, worker })));
    this.#leftOut = pools.reduce((sum, { workersLeftOut }) => sum + workersLeftOut, 0);
    const running = this.#rows.filter(isBusy).sort(TIME.compare);
    this.slow.show(running.slice(0, MOST_SLOW), 'No request is running.');
    this.#showWorkers();
  }

  #showSums(histories) {
    const sum = (numberOf) => histories.reduce((all, history) => all + (numberOf(history) ?? 0), 0);
    const isRateKnown = histories.some(({ now }) => now.rate !== undefined);
    const slowest = mostOf(
      histories.map(({ now }) => now.p99),
      0,
    );
    const shown = [
      ['Pools', countText(histories.length)],
      ['Busy', `${sum(({ pool }) => pool.active)} of ${countText(sum(({ pool }) => pool.maxChildren))}`],
      ['Queue', countText(sum(({ pool }) => pool.listenQueue))],
      ['Requests/s', rateText(isRateKnown ? sum(({ now }) => now.rate) : undefined)],
      ['Slowest p99', tookText(slowest > 0 ? slowest : undefined)],
      ['New errors', countText(sum(({ recentErrors }) => recentErrors))],
    ];
    if (this.sums.children.length === 0)
      this.sums.append(...shown.map(([name]) => element('div', {}, element('dt', {}, name), element('dd'))));
    for (const [index, [, text]] of shown.entries())
      setText(this.sums.children[index].lastElementChild, text);
  }

  #showWorkers() {
    const wanted = this.filter.value.trim().toLowerCase();
    const rows = this.#rows
      .filter(({ pool, worker }) =>
        `${worker.pid} ${pool} ${worker.state} ${worker.method} ${worker.uri} ${worker.script}`
          .toLowerCase()
          .includes(wanted),
      )
      .sort((a, b) => this.workers.heads.compare(a, b) || a.worker.pid - b.worker.pid);
    const empty = this.#rows.length === 0 ? 'No workers at present.' : 'No such workers.';
    this.workers.show(rows.slice(0, MOST_WORKERS), empty);
    const more = Math.max(0, rows.length - MOST_WORKERS) + this.#leftOut;
    setText(this.workersTitle, more > 0 ? `Workers (${more} more are not shown)` : 'Workers');
  }
}

void new LivePage().ask();
