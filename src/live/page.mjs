// The live page. It asks its own address for a LiveSnapshot (src/status/live.ts), keeps the snapshots, and draws them.
// Texts from clients are only ever set as the text of an element, never as markup.

const ASK_EVERY_MS = 2000;
const PATIENCE_MS = 5000;
/** Snapshots that a sparkline shows: few at first, stretched, later more of them. */
const LEAST_MOMENTS = 30;
const MOST_MOMENTS = 150;
const MOST_SLOW = 15;
const MOST_ROWS = 300;
/** Requests that take longer are marked. */
const LONG_MS = 1000;

// ---- figures ----

/** The duration in ms that this share of the requests did not exceed; undefined without requests. */
export function quantileMs({ boundsS, counts }, share) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!(total > 0)) return undefined;
  const wanted = share * total;
  let below = 0;
  for (const [index, upper] of boundsS.entries()) {
    const count = counts[index] ?? 0;
    if (count > 0 && below + count >= wanted) {
      const lower = boundsS[index - 1] ?? 0;
      return 1000 * (lower + ((upper - lower) * (wanted - below)) / count);
    }
    below += count;
  }
  return 1000 * (boundsS.at(-1) ?? 0);
}

/** The figures of a pool between two snapshots; undefined without two, or if counting began anew between them. */
export function momentOf(now, before, elapsedMs) {
  const isContinued =
    before !== undefined &&
    before.startEpochS === now.startEpochS &&
    before.requests <= now.requests &&
    elapsedMs > 0;
  const counts = isContinued
    ? now.durations.counts.map((count, index) => Math.max(0, count - (before.durations.counts[index] ?? 0)))
    : [];
  const recent = { boundsS: now.durations.boundsS, counts };
  return {
    rate: isContinued ? ((now.requests - before.requests) * 1000) / elapsedMs : undefined,
    queue: now.listenQueue,
    p50: quantileMs(recent, 0.5),
    p99: quantileMs(recent, 0.99),
  };
}

// ---- texts ----

export function countText(count) {
  if (count === undefined || !Number.isFinite(count)) return '–';
  if (count < 10_000) return String(Math.round(count));
  const [value, unit] =
    count < 999_500 ? [count / 1e3, 'k'] : count < 999.5e6 ? [count / 1e6, 'M'] : [count / 1e9, 'G'];
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function rateText(rate) {
  return rate !== undefined && rate > 0 && rate < 100 ? rate.toFixed(1) : countText(rate);
}

export function tookText(ms) {
  if (ms === undefined || !Number.isFinite(ms)) return '–';
  if (ms < 9.95) return `${Math.max(0, ms).toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return ms < 99_950 ? `${(ms / 1000).toFixed(1)} s` : ageText(ms / 1000);
}

export function ageText(seconds) {
  if (seconds < 120) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

export function bytesText(bytes) {
  if (bytes === undefined || !Number.isFinite(bytes)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [bytes, 0];
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

// ---- sparklines ----

const WIDTH = 240;
const HEIGHT = 44;

/** A line through values from 0 to `most`, the last at the right; a gap where a value is unknown. */
export function linePath(values, most) {
  const span = spanOf(values);
  const from = span - values.length;
  let path = '';
  let isDrawing = false;
  for (const [index, value] of values.entries()) {
    if (value === undefined) {
      isDrawing = false;
      continue;
    }
    path += `${isDrawing ? 'L' : 'M'}${point((from + index) / (span - 1), value / most)}`;
    // A single point would be invisible.
    if (!isDrawing && values[index + 1] === undefined) path += 'h1';
    isDrawing = true;
  }
  return path;
}

/** The line, filled down to 0. */
export function areaPath(values, most) {
  const span = spanOf(values);
  const from = span - values.length;
  const at = (index, value) => point((from + index) / (span - 1), value / most);
  let path = '';
  for (let index = 0; index < values.length; index++) {
    if (values[index] === undefined) continue;
    const start = index;
    path += `M${at(start, 0)}`;
    for (; values[index] !== undefined; index++) path += `L${at(index, values[index])}`;
    path += `L${at(index - 1, 0)}Z`;
  }
  return path;
}

const spanOf = (values) => Math.max(LEAST_MOMENTS, values.length);

/** Both from 0 to 1. */
function point(across, up) {
  const x = across * WIDTH;
  const y = HEIGHT - 1 - Math.min(up, 1) * (HEIGHT - 3);
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

/** The highest known value, and at least `least`. */
export function mostOf(values, least) {
  return values.reduce((most, value) => (value !== undefined && value > most ? value : most), least);
}

// ---- elements ----

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties))
    if (key === 'class') made.className = value;
    else made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** One of a pool's charts: name, present value, highest value, and a sparkline. */
class Chart {
  constructor({ name, kind, least, textOf, second }) {
    Object.assign(this, { name, least, textOf, hasSecond: second !== undefined });
    this.now = element('div', { class: 'now' });
    this.most = element('div', { class: 'most' });
    this.area = drawing('path', { class: 'area' });
    this.line = drawing('path');
    this.secondLine = drawing('path', { class: 'second' });
    this.spark = drawing(
      'svg',
      { class: `spark ${kind}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
      drawing('line', { class: 'ground', x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }),
      this.area,
      this.line,
      ...(this.hasSecond ? [this.secondLine] : []),
    );
    const texts = element('div', {}, element('dt', {}, name), this.now, this.most);
    this.root = element('div', { class: 'chart' }, texts, this.spark);
  }

  draw(values, seconds = []) {
    const most = mostOf([...values, ...seconds], this.least);
    this.area.setAttribute('d', areaPath(values, most));
    this.line.setAttribute('d', linePath(values, most));
    if (this.hasSecond) this.secondLine.setAttribute('d', linePath(seconds, most));
    const known = [...values, ...seconds].filter((value) => value !== undefined);
    const highest = this.textOf(known.length === 0 ? undefined : Math.max(...known));
    const now = this.hasSecond
      ? `${this.textOf(values.at(-1))} / ${this.textOf(seconds.at(-1))}`
      : this.textOf(values.at(-1));
    setText(this.now, now);
    setText(this.most, `most ${highest}`);
    this.spark.setAttribute('aria-label', `${this.name}: now ${now}, most ${highest}`);
  }
}

/** The elements that show one pool, and the values so far. */
class PoolCard {
  constructor(name) {
    this.moments = [];
    this.manager = element('small');
    this.busyText = element('b');
    this.trouble = element('p', { class: 'trouble' });
    this.front = drawing('rect', { class: 'front', x: 0, y: 0, width: 0, height: 6 });
    this.busy = drawing(
      'svg',
      { class: 'busy', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      drawing('rect', { class: 'back', x: 0, y: 0, width: 100, height: 6 }),
      this.front,
    );
    this.rate = new Chart({ name: 'Requests/s', kind: 'rate', least: 1, textOf: rateText });
    this.queue = new Chart({ name: 'Queue', kind: 'queue', least: 4, textOf: countText });
    this.latency = new Chart({
      name: 'p50, dashed p99',
      kind: 'latency',
      least: 1,
      textOf: tookText,
      second: true,
    });
    this.facts = element('p', { class: 'facts' });
    const title = element('h3', {}, element('bdi', {}, name), this.manager, this.busyText);
    const charts = element('dl', {}, this.rate.root, this.queue.root, this.latency.root);
    this.root = element('article', { class: 'pool' }, title, this.busy, this.trouble, charts, this.facts);
  }

  show(pool, moment) {
    this.moments = [...this.moments, moment].slice(-MOST_MOMENTS);
    const of = (key) => this.moments.map((each) => each[key]);
    setText(this.manager, pool.processManager);
    const isFull = pool.active >= pool.maxChildren;
    setText(this.busyText, `${pool.active} of ${pool.maxChildren} busy${isFull ? ', all of them' : ''}`);
    this.busy.classList.toggle('full', isFull);
    this.front.setAttribute(
      'width',
      (100 * Math.min(1, pool.active / Math.max(1, pool.maxChildren))).toFixed(1),
    );
    setText(this.trouble, pool.trouble ?? '');
    this.rate.draw(of('rate'));
    this.queue.draw(of('queue'));
    this.latency.draw(of('p50'), of('p99'));
    setText(this.facts, factsOf(pool).join(' · '));
  }

  /** Adds a gap: nothing is known of this moment. */
  miss() {
    this.moments = [...this.moments, {}].slice(-MOST_MOMENTS);
  }
}

function factsOf(pool) {
  const memory = pool.workers.reduce((sum, { privateBytes = 0 }) => sum + privateBytes, 0);
  return [
    `${countText(pool.requests)} requests`,
    pool.hasZygote === false ? 'no process' : `${pool.idle} idle`,
    ...(memory > 0 ? [bytesText(memory)] : []),
    ...(pool.maxListenQueue > 0 ? [`longest queue ${countText(pool.maxListenQueue)}`] : []),
    ...(pool.slowRequests > 0 ? [`${countText(pool.slowRequests)} slow`] : []),
    ...(pool.maxChildrenReached > 0 ? [`limit reached ${countText(pool.maxChildrenReached)}×`] : []),
    ...Object.entries(pool.deaths)
      .filter(([reason]) => reason !== 'retired' && reason !== 'exit 0')
      .map(([reason, count]) => `${countText(count)} ended by ${reason}`),
  ];
}

/** A table that uses its rows again at each drawing. */
class Table {
  /** @param columns `{ head, text, class, compare }`; one that compares can be sorted by */
  constructor(root, caption, columns, onSort) {
    this.columns = columns;
    this.body = element('tbody');
    this.heads = columns.map((column) => {
      const head = element('th', { scope: 'col', class: column.class ?? '' });
      if (column.compare === undefined || onSort === undefined) head.append(column.head);
      else {
        const button = element('button', { type: 'button' }, column.head);
        button.addEventListener('click', () => onSort(column));
        head.append(button);
      }
      return head;
    });
    root.append(
      element('caption', {}, caption),
      element('thead', {}, element('tr', {}, ...this.heads)),
      this.body,
    );
  }

  mark(sorted, isReversed) {
    for (const [index, column] of this.columns.entries()) {
      const head = this.heads[index];
      if (column === sorted) head.setAttribute('aria-sort', isReversed ? 'ascending' : 'descending');
      else head.removeAttribute('aria-sort');
      const button = head.querySelector('button');
      if (button !== null)
        setText(button, column === sorted ? `${column.head} ${isReversed ? '▲' : '▼'}` : column.head);
    }
  }

  show(rows, empty) {
    const wanted = Math.max(1, rows.length);
    while (this.body.rows.length > wanted) this.body.rows[this.body.rows.length - 1].remove();
    while (this.body.rows.length < wanted) this.body.append(element('tr'));
    if (rows.length === 0) {
      const cell = element('td', { class: 'note', colspan: this.columns.length }, empty);
      this.body.rows[0].className = '';
      this.body.rows[0].replaceChildren(cell);
      return;
    }
    for (const [index, row] of rows.entries()) this.#showRow(this.body.rows[index], row);
  }

  #showRow(target, row) {
    if (target.cells.length !== this.columns.length)
      target.replaceChildren(
        ...this.columns.map((column) => element('td', { class: column.class ?? '' }, element('bdi'))),
      );
    target.className = row.worker.state === 'Idle' ? 'idle' : '';
    for (const [index, column] of this.columns.entries()) {
      const cell = target.cells[index];
      setText(cell.firstElementChild, column.text(row));
      if (column.isLong !== undefined) cell.classList.toggle('long', column.isLong(row));
    }
  }
}

// ---- the page ----

const byNumber = (numberOf) => (a, b) => (numberOf(b) ?? -1) - (numberOf(a) ?? -1);
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
const POOL = { head: 'Pool', text: ({ pool }) => pool, compare: (a, b) => a.pool.localeCompare(b.pool) };
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
  #cards = new Map();
  #before;
  #rows = [];
  #leftOut = 0;
  #sort = TIME;
  #isReversed = false;
  #isPaused = false;
  #timer;
  #misses = 0;

  constructor() {
    const at = (id) => document.getElementById(id);
    this.state = at('state');
    this.sums = at('sums');
    this.pools = at('pools');
    this.filter = at('filter');
    this.pause = at('pause');
    setText(at('place'), location.host);
    document.title = `tsfpm ${location.host}`;
    this.slow = new Table(at('slow'), 'Requests that run, the longest first', SLOW_COLUMNS);
    this.workers = new Table(at('workers'), 'Workers', WORKER_COLUMNS, (column) => this.#sortBy(column));
    this.workers.mark(this.#sort, this.#isReversed);
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
    if (!this.#isPaused && !document.hidden) this.#timer = setTimeout(() => void this.ask(), ASK_EVERY_MS);
  }

  #tell(text, kind) {
    setText(this.state, text);
    this.state.className = `state ${kind}`;
  }

  #miss(error) {
    this.#misses++;
    for (const card of this.#cards.values()) card.miss();
    const why = error instanceof Error && error.message.startsWith('answered') ? error.message : 'no answer';
    this.#tell(`${why}; trying again (${this.#misses})`, 'bad');
  }

  #show(snapshot) {
    const elapsedMs = snapshot.nowMs - (this.#before?.nowMs ?? Number.NaN);
    const earlier = new Map((this.#before?.pools ?? []).map((pool) => [pool.name, pool]));
    const moments = snapshot.pools.map((pool) => momentOf(pool, earlier.get(pool.name), elapsedMs));
    this.#before = snapshot;
    this.#tell('live', 'good');
    this.#showPools(snapshot.pools, moments);
    this.#showSums(snapshot.pools, moments);
    this.#rows = snapshot.pools.flatMap(({ name, workers }) =>
      workers.map((worker) => ({ pool: name, worker })),
    );
    this.#leftOut = snapshot.pools.reduce((sum, { workersLeftOut }) => sum + workersLeftOut, 0);
    const running = this.#rows.filter(isBusy).sort(TIME.compare);
    this.slow.show(running.slice(0, MOST_SLOW), 'No request is running.');
    this.#showWorkers();
  }

  #showPools(pools, moments) {
    const names = new Set(pools.map(({ name }) => name));
    for (const [name, card] of this.#cards)
      if (!names.has(name)) {
        card.root.remove();
        this.#cards.delete(name);
      }
    for (const [index, pool] of pools.entries()) {
      let card = this.#cards.get(pool.name);
      if (card === undefined) {
        card = new PoolCard(pool.name);
        this.#cards.set(pool.name, card);
        this.pools.append(card.root);
      }
      card.show(pool, moments[index]);
    }
  }

  #showSums(pools, moments) {
    const sum = (numbers) => numbers.reduce((all, number) => all + (number ?? 0), 0);
    const rates = moments.map(({ rate }) => rate).filter((rate) => rate !== undefined);
    const slowest = mostOf(
      moments.map(({ p99 }) => p99),
      0,
    );
    const shown = [
      ['Pools', String(pools.length)],
      [
        'Busy',
        `${sum(pools.map(({ active }) => active))} of ${sum(pools.map(({ maxChildren }) => maxChildren))}`,
      ],
      ['Queue', countText(sum(pools.map(({ listenQueue }) => listenQueue)))],
      ['Requests/s', rateText(rates.length === 0 ? undefined : sum(rates))],
      ['Slowest p99', tookText(slowest > 0 ? slowest : undefined)],
    ];
    if (this.sums.children.length === 0)
      this.sums.append(...shown.map(([name]) => element('div', {}, element('dt', {}, name), element('dd'))));
    for (const [index, [, text]] of shown.entries())
      setText(this.sums.children[index].lastElementChild, text);
  }

  #sortBy(column) {
    this.#isReversed = column === this.#sort && !this.#isReversed;
    this.#sort = column;
    this.workers.mark(column, this.#isReversed);
    this.#showWorkers();
  }

  #showWorkers() {
    const wanted = this.filter.value.trim().toLowerCase();
    const rows = this.#rows
      .filter(({ pool, worker }) =>
        `${worker.pid} ${pool} ${worker.state} ${worker.method} ${worker.uri} ${worker.script}`
          .toLowerCase()
          .includes(wanted),
      )
      .sort((a, b) => (this.#isReversed ? -1 : 1) * this.#sort.compare(a, b) || a.worker.pid - b.worker.pid);
    this.workers.show(
      rows.slice(0, MOST_ROWS),
      this.#rows.length === 0 ? 'No workers at present.' : 'No such workers.',
    );
    const more = Math.max(0, rows.length - MOST_ROWS) + this.#leftOut;
    setText(
      document.getElementById('workers-title'),
      more > 0 ? `Workers (${more} more are not shown)` : 'Workers',
    );
  }
}

// Tests load this file for its functions, where there is no document.
if (typeof document !== 'undefined') void new LivePage().ask();
