import { livePage } from '../live/page.js';
import { chooseStatus } from '../status/choose.js';
import { EXPOSITION_TYPES, type ExpositionFormat } from '../status/exposition.js';
import { renderJson } from '../status/json.js';
import { renderMetrics } from '../status/metrics.js';
import type { PoolMetrics } from '../status/metrics-input.js';
import { jsonWord, lineText } from '../text/harmless.js';
import { chooseExposition } from './accept.js';
import type { HttpSource } from './source.js';

/** The parts of a request that an answer depends on. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query, from the request line. */
  readonly target: string;
  readonly accept: string | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Set for HEAD too; the server leaves it out then. In pieces where it may be long; to make one may throw. */
  readonly body: string | Iterable<string>;
}

type Route = (source: HttpSource, request: HttpRequest, query: string) => HttpAnswer;

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/', live],
  ['/metrics', metrics],
  ['/status', status],
  ['/health', () => plain(200, 'ok')],
  ['/ready', ready],
]);
const METHODS: readonly string[] = ['GET', 'HEAD'];

/** The answer to a request. @throws whatever the source throws */
export function answer(source: HttpSource, request: HttpRequest): HttpAnswer {
  const { path, query } = splitTarget(request.target);
  const route = ROUTES.get(path);
  if (route === undefined) return plain(404, 'Not found');
  if (!METHODS.includes(request.method)) {
    const refusal = plain(405, 'Method not allowed');
    return { ...refusal, headers: { ...refusal.headers, Allow: METHODS.join(', ') } };
  }
  return route(source, request, query);
}

/** One line of text. */
export function plain(status: number, text: string): HttpAnswer {
  return answerOf(status, 'text/plain; charset=utf-8', `${lineText(text)}\n`);
}

function metrics(source: HttpSource, { accept }: HttpRequest): HttpAnswer {
  const format = chooseExposition(accept);
  const {
    status: code,
    headers,
    body,
  } = answerOf(200, EXPOSITION_TYPES[format], metricsPieces(source, format));
  return { status: code, headers: { ...headers, Vary: 'Accept, Accept-Encoding' }, body };
}

function* metricsPieces(source: HttpSource, format: ExpositionFormat): Generator<string> {
  const { pools, master } = source.metrics();
  const read: PoolMetrics[] = [];
  for (const pool of pools) {
    read.push(pool);
    yield '';
  }
  yield* renderMetrics({ pools: read, master }, format);
}

/** The live page, or with `?json` the snapshot that the page asks for every second or so. */
function live(source: HttpSource, _request: HttpRequest, query: string): HttpAnswer {
  if (chooseStatus(query).format === 'json') return answerOf(200, 'application/json', livePieces(source));
  const page = livePage();
  if (page === undefined) return plain(500, 'The page is missing from this installation.');
  const { status: code, headers, body } = answerOf(200, 'text/html; charset=utf-8', page.html);
  return { status: code, headers: { ...headers, ...page.headers }, body };
}

function* livePieces(source: HttpSource): Generator<string> {
  const { nowMs, pools } = source.live();
  yield `{"nowMs":${nowMs},"pools":[`;
  yield* separated(pools, (pool) => JSON.stringify(pool));
  yield ']}';
}

/** An object of the pools by name, each as its own json page; `?full` lists the workers. */
function status(source: HttpSource, _request: HttpRequest, query: string): HttpAnswer {
  const { full } = chooseStatus(query);
  return answerOf(200, 'application/json', statusPieces(source, full));
}

function* statusPieces(source: HttpSource, full: boolean): Generator<string> {
  yield '{';
  yield* separated(source.pools(), (pool) => `${jsonWord(pool.name)}:${renderJson(pool, { full })}`);
  yield '}';
}

function* separated<Item>(items: Iterable<Item>, text: (item: Item) => string): Generator<string> {
  let separator = '';
  for (const item of items) {
    yield separator + text(item);
    separator = ',';
  }
}

function ready(source: HttpSource): HttpAnswer {
  const { ready: isReady, reason } = source.readiness();
  return plain(isReady ? 200 : 503, reason);
}

/** With headers that keep a browser from storing the answer, or from guessing another type. */
function answerOf(status: number, type: string, body: HttpAnswer['body']): HttpAnswer {
  const headers = { 'Content-Type': type, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
  return { status, headers, body };
}

/** Not by `URL`: the target may be anything, such as `//`, `*` or a whole URL, and must not be resolved. */
function splitTarget(target: string): { path: string; query: string } {
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: target, query: '' }
    : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}
