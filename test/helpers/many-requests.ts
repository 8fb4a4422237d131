import type { Bytes, Count, Pid } from '../../src/units.js';
import type { Echo } from './two-pools.js';

export interface ManyRequests {
  readonly requests: Count;
  /** At a time. */
  readonly clients: Count;
  /** Every third request has a body, of its number times so many. */
  readonly bytes: Bytes;
}

/** Asks a web server for echo.php, several clients at a time. @returns what failed, and the workers that answered */
export async function manyRequests(
  url: string,
  { requests, clients, bytes }: ManyRequests,
): Promise<{ failures: string[]; pids: Set<Pid> }> {
  let next = 0;
  const failures: string[] = [];
  const pids = new Set<Pid>();
  const client = async () => {
    while (next < requests) {
      const n = next++;
      const body = n % 3 === 0 ? 'b'.repeat(n * bytes) : undefined;
      const response = await fetch(
        `${url}/echo.php?n=${n}`,
        body === undefined ? {} : { method: 'POST', body },
      );
      const echo = (await response.json().catch(() => undefined)) as Echo | undefined;
      if (response.status !== 200 || echo?.query !== `n=${n}` || echo.length !== (body?.length ?? 0))
        failures.push(`${n}: ${response.status} ${JSON.stringify(echo)}`);
      else pids.add(echo.pid);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return { failures, pids };
}
