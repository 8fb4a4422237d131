// Charts of one pool over time.

import { drawing, element, setText } from './elements.mjs';
import { ageText, spanOf } from './figures.mjs';

const WIDTH = 240;
const HEIGHT = 44;
/** Looks are two seconds apart; over a longer pause no line is drawn. */
const PAUSE_MS = 7000;

/**
 * A line through the values, from 0 to `most`, the last moment at the right.
 *
 * @param points `{ atMs, value }` in the order of time; there is a gap where a value is undefined
 */
export function linePath(points, most, spanMs) {
  return runsOf(points)
    .map((run) => {
      const line = `M${run.map((point) => place(point, points, most, spanMs)).join('L')}`;
      // A single point would be invisible.
      return run.length === 1 ? `${line}h1` : line;
    })
    .join('');
}

/** The line, filled down to 0. */
export function areaPath(points, most, spanMs) {
  return runsOf(points)
    .map((run) => {
      const ground = (point) => place({ ...point, value: 0 }, points, most, spanMs);
      const line = run.map((point) => place(point, points, most, spanMs)).join('L');
      return `M${ground(run[0])}L${line}L${ground(run.at(-1))}Z`;
    })
    .join('');
}

/** Pieces without a gap. */
function runsOf(points) {
  const runs = [];
  let last;
  for (const point of points) {
    if (point.value !== undefined)
      if (last?.value !== undefined && point.atMs - last.atMs <= PAUSE_MS) runs.at(-1).push(point);
      else runs.push([point]);
    last = point;
  }
  return runs;
}

function place({ atMs, value }, points, most, spanMs) {
  const x = WIDTH * (1 - (points.at(-1).atMs - atMs) / spanMs);
  const y = HEIGHT - 1 - Math.min(value / most, 1) * (HEIGHT - 3);
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

/** The highest known value, and at least `least`. */
export function mostOf(values, least) {
  return values.reduce((most, value) => (value !== undefined && value > most ? value : most), least);
}

/** One figure of a pool: name, present value, highest value, and its line over a time axis. */
export class Chart {
  /** @param key of the moments; `second` is drawn dashed over it */
  constructor({ name, key, second, least, textOf, nowOf }) {
    Object.assign(this, { name, key, second, least, textOf, nowOf });
    this.now = element('dd', { class: 'now' });
    this.most = element('dd', { class: 'most' });
    this.area = drawing('path', { class: 'area' });
    this.line = drawing('path');
    this.secondLine = drawing('path', { class: 'second' });
    this.spark = drawing(
      'svg',
      { class: `spark ${key}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
      drawing('line', { class: 'ground', x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }),
      this.area,
      this.line,
      this.secondLine,
    );
    this.start = element('span');
    this.root = element(
      'div',
      { class: 'chart' },
      element('dl', {}, element('dt', {}, name), this.now, this.most),
      this.spark,
      element('p', { class: 'axis', 'aria-hidden': 'true' }, this.start, element('span', {}, 'now')),
    );
  }

  draw(moments) {
    const spanMs = spanOf(moments);
    const of = (key) => moments.map((moment) => ({ atMs: moment.atMs, value: moment[key] }));
    const [points, seconds] = [of(this.key), this.second === undefined ? [] : of(this.second)];
    const values = [...points, ...seconds].map(({ value }) => value);
    const most = mostOf(values, this.least);
    this.area.setAttribute('d', areaPath(points, most, spanMs));
    this.line.setAttribute('d', linePath(points, most, spanMs));
    this.secondLine.setAttribute('d', linePath(seconds, most, spanMs));
    const known = values.filter((value) => value !== undefined);
    const highest = `most ${this.textOf(known.length === 0 ? undefined : Math.max(...known))}`;
    const now = this.nowOf(moments);
    setText(this.now, now);
    setText(this.most, highest);
    setText(this.start, `${ageText(spanMs / 1000)} ago`);
    this.spark.setAttribute('aria-label', `${this.name}: now ${now}, ${highest}`);
  }
}
