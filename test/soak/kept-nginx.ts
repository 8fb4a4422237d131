/**
 * A real nginx that keeps its connections, before a pool that is reloaded every second:
 *
 *   node dist/test/soak/kept-nginx.js [--requests N] [--clients N] [--workers N]
 *
 * GET and POST in turn. Every answer is checked, and none may be missing; nginx may not repeat a request, and tells of none
 * whose connection ended before its answer.
 */
import { Agent, request } from 'node:http';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Count } from '../../src/units.js';
import { Daemon, type DaemonOptions } from '../helpers/daemon.js';
import { DaemonFolder } from '../helpers/daemon-folder.js';
import { startNginx } from '../helpers/nginx.js';
import { RELOADED } from '../helpers/reload.js';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    clients: { type: 'string', default: '64' },
    workers: { type: 'string', default: '8' },
  },
});
const wanted = Number(values.requests);
const clients = Number(values.clients);

/** Of nginx: idle connections to the pool that it keeps. */
const KEEPALIVE: Count = 64;
const RELOAD_EVERY_MS = 1000;
const MOST_FAULTS: Count = 20;

/** Tells which request it was, and how much of a body came. */
const COUNT_PHP = `<?php echo $_SERVER['QUERY_STRING'], ' ', strlen(file_get_contents('php://input'));`;

interface Progress {
  begun: Count;
  answered: Count;
  readonly faults: string[];
}

function ask(agent: Agent, url: string, number: Count): Promise<string> {
  const body = number % 2 === 0 ? '' : 'x'.repeat(number % 5000);
  const options = { agent, method: body === '' ? 'GET' : 'POST', timeout: 30_000 };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${url}/count.php?${number}`, options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.once('error', reject);
      incoming.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (incoming.statusCode === 200 && text === `${number} ${body.length}`) resolve(text);
        else reject(new Error(`status ${incoming.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 30 s')));
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function client(agent: Agent, url: string, progress: Progress): Promise<void> {
  while (progress.begun < wanted && progress.faults.length < MOST_FAULTS) {
    const number = progress.begun++;
    try {
      await ask(agent, url, number);
      progress.answered++;
    } catch (error) {
      progress.faults.push(`request ${number}: ${(error as Error).message}`);
    }
  }
}

async function reloadUntil(daemon: Daemon, isOver: () => boolean): Promise<Count> {
  let reloads = 0;
  while (!isOver() && !daemon.hasEnded) {
    await sleep(RELOAD_EVERY_MS);
    daemon.signal('SIGUSR2');
    await daemon.log.expect(RELOADED);
    reloads++;
  }
  return reloads;
}

async function run(daemon: Daemon, t: TestContext): Promise<string[]> {
  const { url, errors } = await startNginx(t, daemon, { keepalive: KEEPALIVE });
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  // From the first kept connection on there is a keeper; the reloads begin after that.
  await ask(agent, url, 0);
  const progress: Progress = { begun: 0, answered: 0, faults: [] };
  let isOver = false;
  const startedAt = performance.now();
  const reloading = reloadUntil(daemon, () => isOver);
  await Promise.all(Array.from({ length: clients }, () => client(agent, url, progress)));
  isOver = true;
  const took = (performance.now() - startedAt) / 1000;
  const reloads = await reloading;
  agent.destroy();
  const told = errors.text
    .split('\n')
    .filter((line) => /\[(?:warn|error|crit|alert|emerg)\]/.test(line) || line.includes('upstream'));
  console.log(
    `${progress.answered} of ${progress.begun} requests answered in ${took.toFixed(0)} s, ` +
      `${reloads} reloads, ${told.length} lines of nginx about the pool`,
  );
  return [...progress.faults, ...told.slice(0, MOST_FAULTS)];
}

async function main(): Promise<number> {
  const options: DaemonOptions = {
    pools: { www: { 'pm.max_children': Number(values.workers) } },
    files: { 'count.php': COUNT_PHP },
    arguments: [],
    logTo: 'file',
  };
  const folder = new DaemonFolder();
  folder.writePieces(options);
  const daemon = new Daemon(folder, options);
  const ends: (() => unknown)[] = [];
  const t = { after: (end: () => unknown) => ends.push(end) } as unknown as TestContext;
  const faults: string[] = [];
  try {
    await daemon.start();
    faults.push(...(await run(daemon, t)));
  } catch (error) {
    faults.push(`${(error as Error).stack}\n${daemon.log.tail}`);
  }
  for (const end of ends) await end();
  await daemon.finish().catch((error: Error) => faults.push(error.message));
  for (const fault of faults) console.error(fault);
  console.log(faults.length === 0 ? 'kept connections: passed' : 'kept connections: FAILED');
  return faults.length === 0 ? 0 : 1;
}

process.exitCode = await main();
