// What the live page shows of a pool: figures from two snapshots of it (src/status/live.ts), and their texts.

/** A pool without requests for so long is idle. */
const RECENT_MS = 60_000;
/** As long a time as charts show. */
const MOST_HISTORY_MS = 300_000;

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

/** The figures of a pool between two snapshots; rates are unknown without two, or if counting began anew between. */
export function momentOf(now, before, atMs) {
  const elapsedMs = atMs - (before?.atMs ?? Number.NaN);
  const isContinued =
    before !== undefined &&
    before.pool.startEpochS === now.startEpochS &&
    before.pool.requests <= now.requests &&
    elapsedMs > 0;
  const counts = isContinued
    ? now.durations.counts.map((count, index) =>
        Math.max(0, count - (before.pool.durations.counts[index] ?? 0)),
      )
    : [];
  const recent = { boundsS: now.durations.boundsS, counts };
  return {
    atMs,
    rate: isContinued ? ((now.requests - before.pool.requests) * 1000) / elapsedMs : undefined,
    errors: isContinued ? Math.max(0, errorsOf(now).all - errorsOf(before.pool).all) : undefined,
    queue: now.listenQueue,
    p50: quantileMs(recent, 0.5),
    p99: quantileMs(recent, 0.99),
  };
}

/** What has gone wrong since the pool's start or reload. */
export function errorsOf({ serverErrors, refused, deaths }) {
  const sum = (isWanted) =>
    Object.entries(deaths).reduce((all, [reason, count]) => (isWanted(reason) ? all + count : all), 0);
  const crashes = sum((reason) => reason.startsWith('signal '));
  const timeouts = sum((reason) => reason === 'timed out');
  return { serverErrors, refused, crashes, timeouts, all: serverErrors + refused + crashes + timeouts };
}

/** A pool as the page knows it: its last snapshot, and what has happened while the page was open. */
export class PoolHistory {
  moments = [];
  #lastBusyMs = Number.NEGATIVE_INFINITY;

  /** @param atMs the master's clock, in ms */
  add(pool, atMs) {
    const before = this.pool === undefined ? undefined : { pool: this.pool, atMs: this.atMs };
    this.pool = pool;
    this.atMs = atMs;
    const moment = momentOf(pool, before, atMs);
    const isBusy =
      pool.active > 0 ||
      moment.queue > 0 ||
      moment.rate > 0 ||
      moment.errors > 0 ||
      pool.trouble !== undefined;
    if (isBusy) this.#lastBusyMs = atMs;
    // What idles has no history: thousands of pools may.
    if (isBusy || this.moments.length > 0) this.moments.push(moment);
    const kept = this.moments.findIndex((each) => each.atMs >= atMs - MOST_HISTORY_MS);
    if (kept > 0) this.moments.splice(0, kept);
    if (atMs - this.#lastBusyMs > MOST_HISTORY_MS) this.moments = [];
    this.now = moment;
  }

  get isIdle() {
    return this.atMs - this.#lastBusyMs > RECENT_MS;
  }

  /** Errors that have come while the page was open, not longer ago than the charts show. */
  get recentErrors() {
    return this.moments.reduce((sum, { errors }) => sum + (errors ?? 0), 0);
  }

  get busyShare() {
    return this.pool.active / Math.max(1, this.pool.maxChildren);
  }
}

/** How much time charts show, in ms: little at first. */
export function spanOf(moments) {
  const known = moments.length === 0 ? 0 : moments.at(-1).atMs - moments[0].atMs;
  return [60_000, 120_000, MOST_HISTORY_MS].find((span) => known <= span) ?? MOST_HISTORY_MS;
}

// ---- texts ----

const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** A name without characters that are not seen, or that turn the direction of what follows. */
export function nameText(name) {
  return name.replace(UNSEEN, '\ufffd');
}

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
