import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { livePage } from '../../src/live/page.js';
import { DURATION_BOUNDS_S } from '../../src/scoreboard/layout.js';
import type { LivePool, LiveWorker } from '../../src/status/live.js';

// A server of the live page with pools that are made up: as many as are wanted, most of them idle.

/** A name of a real length, and what hostile ones look like. */
export function nameOf(index: number): string {
  if (index === 3) return 'shop-\u202egnp.exe\u0007<img src=x onerror=alert(1)>';
  if (index === 5) return `${'a-very-long-customer-name-'.repeat(6)}end`;
  return `customer-${String(index).padStart(4, '0')}.example.com`;
}

/** Every tenth pool has clients; its figures rise with `look`. */
function poolOf(index: number, look: number): LivePool {
  const isBusy = index % 10 === 3 || index % 10 === 5;
  const active = isBusy ? (index + look) % 9 : 0;
  const requests = isBusy ? 500 + look * ((index % 70) + 5) : index % 7;
  const workers = Array.from({ length: Math.min(active, 8) }, (_, number) => workerOf(index, number));
  return {
    name: nameOf(index),
    processManager: index % 3 === 0 ? 'ondemand' : 'dynamic',
    startEpochS: 1_700_000_000,
    maxChildren: 8,
    idle: isBusy ? 8 - Math.min(active, 8) : 0,
    active: Math.min(active, 8),
    maxActive: 8,
    maxChildrenReached: active > 8 ? 1 : 0,
    listenQueue: active === 8 ? index % 40 : 0,
    maxListenQueue: 60,
    listenQueueLen: 511,
    requests,
    slowRequests: 0,
    serverErrors: index % 50 === 5 ? look : 0,
    refused: 0,
    gone: 0,
    durations: {
      boundsS: DURATION_BOUNDS_S,
      counts: [...DURATION_BOUNDS_S, 0].map((_, bucket) =>
        bucket === index % 9 ? requests : bucket === 10 ? look : 0,
      ),
      sumS: 1,
    },
    deaths: index % 50 === 5 ? { 'signal SEGV': look, 'timed out': 1, max_memory: 3 } : {},
    hasZygote: isBusy,
    ...(index === 13
      ? { trouble: 'php-cgi of /usr/bin/php-cgi8.9 is not there: ENOENT; trying again in 30 s' }
      : {}),
    privateBytes: isBusy ? 3_000_000 * (index % 11) : 0,
    workers,
    workersLeftOut: 0,
  };
}

function workerOf(pool: number, number: number): LiveWorker {
  return {
    pid: 1000 + pool * 10 + number,
    state: 'Running',
    ageS: 600,
    requests: 100,
    durationMs: 10 + ((pool * 37 + number * 511) % 2500),
    method: 'GET',
    uri: `/index.php?page=${pool}&n=${number}`,
    script: `/srv/www/customer-${pool}/public/index.php`,
    privateBytes: 1_500_000,
  };
}

/** @returns its address, and how many bytes the last snapshot had on the wire */
export async function serveManyPools(
  t: TestContext,
  count: number,
): Promise<{ url: string; lastBytes: () => number }> {
  const page = livePage();
  let look = 0;
  let lastBytes = 0;
  const answer = (response: ServerResponse, target: string) => {
    if (!target.includes('json')) return response.writeHead(200, page?.headers).end(page?.html);
    look++;
    const pools = Array.from({ length: count }, (_, index) => poolOf(index, look));
    const body = gzipSync(JSON.stringify({ nowMs: look * 2000, pools }), { level: 1 });
    lastBytes = body.length;
    return response
      .writeHead(200, { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' })
      .end(body);
  };
  const server = createServer((request, response) => answer(response, request.url ?? ''));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lastBytes: () => lastBytes };
}
