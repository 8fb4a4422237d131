import type { StatusFormat } from '../../../src/status/choose.js';
import type { PoolStatus, WorkerState, WorkerStatus } from '../../../src/status/status.js';

// Reads a page of php-fpm back into the values that it shows, each format in its own naive way.

interface PageValues {
  /** In the order of the fields, unescaped. */
  readonly pool: readonly string[];
  readonly workers: readonly (readonly string[])[];
}

const ENTITIES: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&amp;': '&' };
const PAGE_TIME = /^(\d+)\/(\w+)\/(\d+):(\S+) (\S+)$/;
const LABEL_WIDTH = 22;

const READERS: Readonly<Record<StatusFormat, (body: string) => PageValues>> = {
  text: (body) => {
    const [pool = [], ...workers] = body.split(`${'*'.repeat(24)}\n`).map((section) =>
      section
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.slice(LABEL_WIDTH)),
    );
    return { pool, workers };
  },
  html: (body) => {
    const [pool = '', workers = ''] = body.split('<table border="1">');
    return { pool: cells(pool), workers: workers.split('</tr>').map(cells).filter(hasCells) };
  },
  xml: (body) => {
    const [pool = '', workers = ''] = body.split('<processes>');
    return { pool: elements(pool), workers: workers.split('</process>').map(elements).filter(hasCells) };
  },
  json: (body) => {
    const { processes = [], ...pool } = JSON.parse(body);
    return { pool: strings(pool), workers: processes.map(strings) };
  },
  openmetrics: (body) => {
    const [, name = '', manager = ''] = /Could pool (.*) using a (\w+) PM/.exec(body) ?? [];
    const [, ...numbers] = [...body.matchAll(/^phpfpm_\w+ (\d+)$/gm)].map(([, number = '']) => number);
    // The start time is not told.
    return { pool: [name, manager, '0', ...numbers], workers: [] };
  },
};

export function readPage(format: StatusFormat, body: string): PoolStatus {
  const { pool, workers } = READERS[format](body);
  const number = (index: number) => Number(pool[index]);
  return {
    name: pool[0] ?? '',
    processManager: pool[1] as PoolStatus['processManager'],
    startEpochS: epochS(pool[2]),
    startSinceS: number(3),
    acceptedConn: BigInt(pool[4] ?? 0),
    listenQueue: number(5),
    maxListenQueue: number(6),
    listenQueueLen: number(7),
    idle: number(8),
    active: number(9),
    total: number(10),
    maxActive: number(11),
    maxChildrenReached: number(12),
    slowRequests: BigInt(pool[13] ?? 0),
    refused: { timeout: 0, max: 0 },
    gone: 0n,
    kept: { idle: 0, ready: 0, closed: 0 },
    memoryPeak: 0n,
    processes: workers.map(worker),
  };
}

function worker(values: readonly string[]): WorkerStatus {
  const bytes = (text: string | undefined) => Buffer.from(text === undefined || text === '-' ? '' : text);
  const big = (index: number) => BigInt(values[index] ?? 0);
  const [, uri, query] = /^([^?]*)\??(.*)$/s.exec(values[7] ?? '') ?? [];
  return {
    pid: Number(values[0]),
    state: values[1] as WorkerState,
    startEpochS: epochS(values[2]),
    startSinceS: Number(values[3]),
    requests: big(4),
    requestDurationUs: big(5),
    method: bytes(values[6]),
    uri: bytes(uri),
    query: bytes(query),
    contentLength: big(8),
    user: bytes(values[9]),
    script: bytes(values[10]),
    lastRequestCpuPercent: Number(values[11]),
    lastRequestMemory: big(12),
  };
}

function epochS(text = ''): number {
  const [, day, month, year, clock, zone] = PAGE_TIME.exec(text) ?? [];
  return day === undefined ? Number(text) : Date.parse(`${day} ${month} ${year} ${clock} ${zone}`) / 1000;
}

const cells = (markup: string): string[] => all(markup, /<td>(.*?)<\/td>/gs);
const elements = (markup: string): string[] => all(markup, /<[\w-]+>([^<]*)<\/[\w-]+>/g);
const hasCells = (row: readonly string[]): boolean => row.length > 0;
const strings = (record: object): string[] => Object.values(record).map(String);

function all(markup: string, pattern: RegExp): string[] {
  return [...markup.matchAll(pattern)].map(([, text = '']) =>
    text.replace(/&(?:lt|gt|quot|amp);/g, (entity) => ENTITIES[entity] ?? entity),
  );
}
