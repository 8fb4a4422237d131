import { Agent, type IncomingMessage, request } from 'node:http';
import type { Count, Milliseconds, Seconds } from '../../src/units.js';

const TIMEOUT_MS: Milliseconds = 30_000;

/** A page of a site, and what its answer must hold. */
export interface Page {
  readonly path: string;
  readonly expect: string;
}

export interface Visit {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** By name; each visitor opens one after the other, for ever. */
  readonly pages: Readonly<Record<string, Page>>;
  readonly visitors: Count;
  /** Asked before each request. */
  readonly isOver: () => boolean;
  readonly signal: AbortSignal;
}

export interface VisitResult {
  readonly elapsedSeconds: Seconds;
  /** How long each good answer took, in the order of their ends. */
  readonly timesMs: readonly Milliseconds[];
  readonly timesByPage: ReadonlyMap<string, readonly Milliseconds[]>;
  /** What was answered otherwise, or not at all, by what went wrong. */
  readonly failures: ReadonlyMap<string, Count>;
}

/** A closed loop of visitors, each with a kept connection to the web server. */
export async function visit({ url, headers, pages, visitors, isOver, signal }: Visit): Promise<VisitResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: visitors });
  const names = Object.keys(pages);
  const timesMs: Milliseconds[] = [];
  const timesByPage = new Map(names.map((name) => [name, [] as Milliseconds[]]));
  const failures = new Map<string, Count>();
  const startedAt = performance.now();
  const loop = async (_: unknown, first: number) => {
    for (let index = first; !isOver(); index++) {
      signal.throwIfAborted();
      const name = names[index % names.length] ?? '';
      const page = pages[name];
      if (page === undefined) return;
      const from = performance.now();
      const failure = await open(`${url}${page.path}`, page.expect, headers, agent);
      const tookMs = performance.now() - from;
      if (failure !== undefined) {
        const what = `${name}: ${failure}`;
        failures.set(what, (failures.get(what) ?? 0) + 1);
      } else {
        timesMs.push(tookMs);
        timesByPage.get(name)?.push(tookMs);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: visitors }, loop));
  } finally {
    agent.destroy();
  }
  return { elapsedSeconds: (performance.now() - startedAt) / 1000, timesMs, timesByPage, failures };
}

/** The failures of a visit, in words. */
export function describeVisit({ timesMs, failures }: VisitResult): string[] {
  const all = [...failures.values()].reduce((sum, count) => sum + count, timesMs.length);
  return [...failures].map(([what, count]) => `${count} of ${all} requests failed: ${what}`);
}

/** @returns what is wrong with the answer; `undefined` if nothing */
async function open(
  url: string,
  expect: string,
  headers: Readonly<Record<string, string>>,
  agent: Agent,
): Promise<string | undefined> {
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(url, { headers, agent, timeout: TIMEOUT_MS }, resolve);
      sent.once('timeout', () => sent.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`)));
      sent.once('error', reject);
      sent.end();
    });
    const pieces: Buffer[] = [];
    for await (const piece of answer) pieces.push(piece as Buffer);
    if (answer.statusCode !== 200) return `status ${answer.statusCode}`;
    return Buffer.concat(pieces).includes(expect) ? undefined : `without "${expect}"`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}
