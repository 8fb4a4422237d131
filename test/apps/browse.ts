import { setTimeout as sleep } from 'node:timers/promises';
import type { Count } from '../../src/units.js';
import { randomFrom } from '../soak/random.js';
import { complaints, LogMark } from './logs.js';
import type { Place, Scratch } from './place.js';
import { reloadCommand } from './reload-command.js';
import type { Service } from './service.js';
import { configOf, errorLogOf } from './services.js';
import type { Site } from './site.js';
import { Visitor } from './visitor.js';

const VISITORS: Count = 3;
const RELOAD_EVERY_MS = 2000;

/** What applications say themselves, and that three workers have more visitors at times: php-fpm warns of that as well. */
const EXPECTED = / said into std(?:err|out): |server reached (?:pm\.)?max_children setting|seems busy/;

/**
 * Visitors who open pages at random, while the manager reloads.
 *
 * @returns a check: its name, and its faults
 */
export async function browse(
  service: Service,
  sites: readonly (readonly [Site, Place])[],
  scratch: Scratch,
  seconds: number,
): Promise<[string, string[]]> {
  const faults: string[] = [];
  const log = new LogMark(errorLogOf('tsfpm', scratch));
  log.next();
  const end = performance.now() + seconds * 1000;
  const isOver = () => performance.now() >= end || service.hasEnded;
  let requests = 0;
  const visits = Array.from({ length: VISITORS }, async (_, index) => {
    const random = randomFrom(index + 1);
    while (!isOver()) {
      const [site, place] = random.pick(sites) ?? [];
      const path = random.pick(site?.browsing ?? []);
      if (site === undefined || place === undefined || path === undefined) continue;
      requests++;
      const fault = await new Visitor(place.url).get(path).then(
        ({ status, body }) =>
          status >= 200 && status < 400 && body.length > 0
            ? undefined
            : `${status} with ${body.length} bytes`,
        (error: Error) => error.message,
      );
      if (fault !== undefined) faults.push(`${site.name}: GET ${path}: ${fault}`);
    }
  });
  let reloads = 0;
  while (!isOver()) {
    const pause = sleep(RELOAD_EVERY_MS);
    const { code, output } = await reloadCommand(configOf('tsfpm', scratch));
    if (code === 0) reloads++;
    else faults.push(`tsfpm reload ended with ${code}: ${output}`);
    await pause;
  }
  await Promise.all(visits);
  if (service.hasEnded) faults.push(`tsfpm has ended:\n${service.tail}`);
  // What the applications themselves complain of was compared before.
  const own = complaints(log.next()).filter((line) => !EXPECTED.test(line));
  faults.push(...own.map((line) => `in the log: ${line}`));
  if (reloads === 0) faults.push('nothing was reloaded');
  return [
    `tsfpm: not one of ${requests} pages opened at random in ${seconds} s fails, with ${reloads} reloads`,
    faults.slice(0, 20),
  ];
}
