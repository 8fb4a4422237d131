import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { Count, Milliseconds, Pid } from '../../src/units.js';
import type { Daemon } from './daemon.js';
import { sleep } from './wait.js';

/** For `[global]`: where {@link healthLatency} asks. */
export const HEALTH_SERVER = { 'http.listen': '{folder}/http.sock' };

const PAUSE_MS: Milliseconds = 15;
/** CLK_TCK; Linux has had it so on every machine that Node runs on. */
const TICKS_PER_SECOND = 100;

/** How long the master lets a visitor of /health wait: the median of some visits. */
export async function healthLatency(tsfpm: Daemon, visits: Count = 15): Promise<Milliseconds> {
  const times: Milliseconds[] = [];
  for (let i = 0; i < visits; i++) {
    times.push(await visitHealth(tsfpm));
    await sleep(PAUSE_MS);
  }
  return times.sort((a, b) => a - b)[Math.floor(visits / 2)] ?? 0;
}

function visitHealth(tsfpm: Daemon): Promise<Milliseconds> {
  const from = performance.now();
  return new Promise((resolve, reject) => {
    const client = createConnection(tsfpm.folder.at('http.sock'));
    client.once('error', reject);
    client.once('data', (answer) => {
      client.destroy();
      if (/^HTTP\/1\.1 200 /.test(answer.toString())) resolve(performance.now() - from);
      else reject(new Error(`/health: ${answer}`));
    });
    client.write('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  });
}

/** Processor time of that process so far, in all of its threads. */
export function cpuTime(pid: Pid): Milliseconds {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}
