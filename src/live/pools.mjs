// The pools of the live page: a row for each, which opens to its charts. Idle ones of many are folded.

import { Chart } from './charts.mjs';
import { drawing, element, setChildren, setText } from './elements.mjs';
import { bytesText, countText, errorsOf, nameText, rateText, tookText } from './figures.mjs';
import { byNumber, Heads } from './tables.mjs';

/** So many pools are all shown, and those that idle too. */
const FEW_POOLS = 12;
/** So many pools have their charts open from the start. */
const OPEN_POOLS = 3;
/** More rows are slow to draw, and nobody reads them: that is what the filter is for. */
const MOST_ROWS = 100;
/** The order stays for so long after somebody has pointed at a row, lest another one is hit. */
const HELD_MS = 4000;
/** Requests that take longer are marked. */
export const LONG_MS = 1000;

const byName = (a, b) => a.pool.name.localeCompare(b.pool.name);
const COLUMNS = [
  { head: 'Pool', class: 'name', compare: byName },
  {
    head: 'Busy',
    class: 'load',
    compare: (a, b) => b.busyShare - a.busyShare || b.pool.active - a.pool.active,
  },
  { head: 'Queue', class: 'number', compare: byNumber(({ pool }) => pool.listenQueue) },
  { head: 'Requests/s', class: 'number wide', compare: byNumber(({ now }) => now.rate) },
  { head: 'p50', class: 'number wide', compare: byNumber(({ now }) => now.p50) },
  { head: 'p99', class: 'number', compare: byNumber(({ now }) => now.p99) },
  { head: 'Memory', class: 'number wide', compare: byNumber(({ pool }) => pool.privateBytes) },
  {
    head: 'Errors',
    class: 'number',
    compare: (a, b) => b.recentErrors - a.recentErrors || errorsOf(b.pool).all - errorsOf(a.pool).all,
  },
];
const [, BUSY] = COLUMNS;
/** Where two are alike in what they are sorted by: those in trouble, those that wait, the busiest, the slowest. */
const TIE_BREAKERS = [
  (a, b) => Number(b.pool.trouble !== undefined) - Number(a.pool.trouble !== undefined),
  COLUMNS[2].compare,
  COLUMNS[1].compare,
  COLUMNS[3].compare,
  COLUMNS[5].compare,
];

/** One pool: its row, and a row below it with its charts, made when it is opened. */
class PoolRow {
  constructor(name, number) {
    this.name = name;
    this.isOpen = false;
    this.chartsId = `charts-${number}`;
    this.label = element('bdi', {}, nameText(name));
    this.button = element('button', { type: 'button', 'aria-expanded': 'false' }, this.label);
    this.trouble = element('span', { class: 'trouble' });
    this.busyText = element('span');
    this.front = drawing('rect', { class: 'front', x: 0, y: 0, width: 0, height: 6 });
    this.bar = drawing(
      'svg',
      { class: 'busy', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      drawing('rect', { class: 'back', x: 0, y: 0, width: 100, height: 6 }),
      this.front,
    );
    const [, , ...rest] = COLUMNS;
    this.cells = rest.map((column) => element('td', { class: column.class }));
    this.root = element(
      'tr',
      { class: 'pool' },
      element('th', { scope: 'row', class: 'name' }, this.button, this.trouble),
      element('td', { class: 'load' }, this.busyText, this.bar),
      ...this.cells,
    );
  }

  open(isOpen) {
    this.isOpen = isOpen;
    this.button.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) this.button.setAttribute('aria-controls', this.chartsId);
    else this.button.removeAttribute('aria-controls');
    if (isOpen) this.details ??= new PoolDetails(this.chartsId);
  }

  show(history) {
    const { pool, now, recentErrors, busyShare } = history;
    setText(this.trouble, pool.trouble === undefined ? '' : nameText(pool.trouble));
    setText(this.busyText, `${pool.active} of ${pool.maxChildren}`);
    this.bar.classList.toggle('full', busyShare >= 1);
    this.front.setAttribute('width', (100 * Math.min(1, busyShare)).toFixed(0));
    const texts = [
      countText(pool.listenQueue),
      rateText(now.rate),
      tookText(now.p50),
      tookText(now.p99),
      bytesText(pool.privateBytes > 0 ? pool.privateBytes : undefined),
      countText(errorsOf(pool).all),
    ];
    for (const [index, text] of texts.entries()) setText(this.cells[index], text);
    this.cells[0].classList.toggle('long', pool.listenQueue > 0);
    this.cells[3].classList.toggle('long', now.p99 >= LONG_MS);
    this.cells[5].classList.toggle('long', recentErrors > 0);
    this.root.classList.toggle('idle', pool.active === 0 && !(now.rate > 0));
    if (this.isOpen) this.details.show(history);
  }

  get rows() {
    return this.isOpen ? [this.root, this.details.root] : [this.root];
  }
}

/** What an opened row shows. */
class PoolDetails {
  constructor(id) {
    const last = (key) => (moments) => moments.at(-1)?.[key];
    const plain = (key, textOf) => ({ key, textOf, nowOf: (moments) => textOf(last(key)(moments)) });
    this.charts = [
      new Chart({ name: 'Requests/s', least: 1, ...plain('rate', rateText) }),
      new Chart({ name: 'Queue', least: 4, ...plain('queue', countText) }),
      new Chart({
        name: 'p50, dashed p99',
        least: 1,
        key: 'p50',
        second: 'p99',
        textOf: tookText,
        nowOf: (moments) => `${tookText(last('p50')(moments))} / ${tookText(last('p99')(moments))}`,
      }),
      new Chart({ name: 'Errors', least: 1, ...plain('errors', countText) }),
    ];
    this.name = element('bdi');
    this.facts = element('span');
    const charts = element('div', { class: 'charts' }, ...this.charts.map(({ root }) => root));
    const cell = element(
      'td',
      { colspan: COLUMNS.length },
      charts,
      element('p', { class: 'facts' }, this.name, this.facts),
    );
    this.root = element('tr', { class: 'details', id }, cell);
  }

  show({ pool, moments, now }) {
    const shown = moments.length > 0 ? moments : [now];
    for (const chart of this.charts) chart.draw(shown);
    // In the row a long name is cut.
    setText(this.name, nameText(pool.name));
    setText(this.facts, ` · ${factsOf(pool).join(' · ')}`);
  }
}

function factsOf(pool) {
  const { serverErrors, refused, crashes, timeouts } = errorsOf(pool);
  const some = (count, text) => (count > 0 ? [`${countText(count)} ${text}`] : []);
  return [
    pool.processManager,
    `${countText(pool.requests)} requests`,
    pool.hasZygote === false ? 'no process' : `${countText(pool.idle)} idle workers`,
    ...(pool.privateBytes > 0 ? [bytesText(pool.privateBytes)] : []),
    ...some(serverErrors, 'answers 5xx'),
    ...some(crashes, 'crashes'),
    ...some(timeouts, 'timeouts'),
    ...some(refused, 'refused by the queue'),
    ...(pool.maxListenQueue > 0 ? [`longest queue ${countText(pool.maxListenQueue)}`] : []),
    ...some(pool.slowRequests, 'slow'),
    ...(pool.maxChildrenReached > 0 ? [`limit reached ${countText(pool.maxChildrenReached)}×`] : []),
    ...Object.entries(pool.deaths)
      .filter(([reason]) => !/^(retired|exit 0|timed out|signal .*)$/.test(reason))
      .map(([reason, count]) => `${countText(count)} ended by ${nameText(reason)}`),
  ];
}

/** All pools, sorted and filtered; those that idle are folded where there are many. */
export class PoolTable {
  #rows = new Map();
  #histories = [];
  #count = 0;
  #isUnfolded = false;
  #heldUntilMs = 0;
  /** The last order, kept for a moment where somebody points at a row. */
  #shown = [];

  constructor({ root, filter, fold, title }) {
    Object.assign(this, { filter, fold, title });
    this.body = element('tbody');
    this.heads = new Heads(COLUMNS, BUSY, () => this.#draw({ isSorted: true }));
    root.append(element('caption', {}, 'Pools, the busiest first'), this.heads.root, this.body);
    filter.addEventListener('input', () => this.#draw({ isSorted: true }));
    fold.addEventListener('click', () => {
      this.#isUnfolded = !this.#isUnfolded;
      this.#draw({ isSorted: true });
    });
    for (const event of ['pointermove', 'focusin'])
      this.body.addEventListener(event, () => {
        this.#heldUntilMs = performance.now() + HELD_MS;
      });
    this.body.addEventListener('click', ({ target }) => this.#toggle(target.closest('tr.pool')));
  }

  /** @param histories of all pools, in the order of the configuration */
  show(histories) {
    const isFirst = this.#histories.length === 0;
    this.#histories = histories;
    const names = new Set(histories.map(({ pool }) => pool.name));
    for (const name of this.#rows.keys()) if (!names.has(name)) this.#rows.delete(name);
    if (isFirst && histories.length <= OPEN_POOLS)
      for (const { pool } of histories) this.#rowOf(pool.name).open(true);
    const isGone = this.#shown.some(({ pool }) => !names.has(pool.name));
    this.#draw({ isSorted: isGone || performance.now() > this.#heldUntilMs });
  }

  #rowOf(name) {
    const there = this.#rows.get(name);
    if (there !== undefined) return there;
    const made = new PoolRow(name, this.#count++);
    this.#rows.set(name, made);
    return made;
  }

  #toggle(target) {
    const row = [...this.#rows.values()].find(({ root }) => root === target);
    if (row === undefined) return;
    row.open(!row.isOpen);
    this.#draw({ isSorted: false });
  }

  #draw({ isSorted }) {
    const wanted = this.filter.value.trim().toLowerCase();
    const isFiltered = wanted !== '';
    const found = this.#histories.filter(({ pool }) => pool.name.toLowerCase().includes(wanted));
    const isIdle = (history) => history.isIdle && !this.#rows.get(history.pool.name)?.isOpen;
    const folded = isFiltered || this.#histories.length <= FEW_POOLS ? [] : found.filter(isIdle);
    const hidden = new Set(this.#isUnfolded ? [] : folded);
    if (isSorted) {
      const compare = (a, b) =>
        this.heads.compare(a, b) || TIE_BREAKERS.reduce((order, tie) => order || tie(a, b), 0);
      const sorted = found.filter((history) => !hidden.has(history)).sort(compare);
      this.left = Math.max(0, sorted.length - MOST_ROWS);
      this.#shown = sorted.slice(0, MOST_ROWS);
    }
    const rows = this.#shown.map((history) => {
      const row = this.#rowOf(history.pool.name);
      row.show(history);
      return row;
    });
    setChildren(this.body, rows.length === 0 ? [this.#note(folded.length)] : rows.flatMap((row) => row.rows));
    this.#tell(folded.length);
  }

  #note(folded) {
    const text = folded > 0 ? 'No pool is busy.' : 'No such pool.';
    return element('tr', {}, element('td', { class: 'note', colspan: COLUMNS.length }, text));
  }

  #tell(folded) {
    setText(this.title, this.left > 0 ? `Pools (${this.left} more are not shown: filter by name)` : 'Pools');
    this.fold.hidden = folded === 0;
    this.fold.setAttribute('aria-expanded', String(this.#isUnfolded));
    setText(this.fold, `${this.#isUnfolded ? 'Fold' : 'Show'} ${countText(folded)} idle pools`);
  }
}
