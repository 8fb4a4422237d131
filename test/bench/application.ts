import { existsSync } from 'node:fs';
import { type Place, placeOf, Scratch } from '../apps/place.js';
import { programPath, type Service } from '../apps/service.js';
import { accountIn, phpSettings, SERVED_BY, startMariadb, startNginx } from '../apps/services.js';
import { prepareSite, type Site as RealSite } from '../apps/site.js';
import { Visitor } from '../apps/visitor.js';
import { freePort } from '../helpers/ports.js';
import type { Site } from './site.js';
import type { Subject } from './subject.js';
import type { Page } from './visitors.js';

/** An application of `npm run test:apps`, and the pages of it that are measured. */
export interface RealPages {
  readonly site: RealSite;
  /** Debian's own place: it is installed there. */
  readonly folder: string;
  readonly pages: Readonly<Record<string, Page>>;
}

/** @returns why an application cannot be run here; `undefined` if it can */
export function whyUnavailable({ folder }: RealPages): string | undefined {
  if (!existsSync(folder)) return `there is no ${folder}; npm run test:apps installs it`;
  try {
    programPath('mariadbd', '/usr/sbin/mariadbd');
    programPath('nginx', '/usr/sbin/nginx');
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * One installation, with its database, behind one nginx that passes each request to the subject that the request names:
 * all subjects serve the same files from the same address.
 */
export class Application {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** Pool directives for every subject. */
  readonly directives: Readonly<Record<string, string>>;
  readonly #site: RealSite;
  readonly #place: Place;
  readonly #scratch: Scratch;
  readonly #services: readonly Service[];
  #isFilled = false;

  private constructor(
    site: RealSite,
    place: Place,
    scratch: Scratch,
    services: readonly Service[],
    pagesFolder: string,
  ) {
    this.url = place.url;
    this.#site = site;
    this.#place = place;
    this.#scratch = scratch;
    this.#services = services;
    const settings = phpSettings(site, place);
    const defined = Object.entries(settings).filter(([, value]) => value !== undefined);
    this.directives = Object.fromEntries(
      // The benchmark's own pages may be read, too: a start ends with one of them.
      defined.map(([name, value]) => [
        name,
        name.includes('open_basedir') ? `${value}:${pagesFolder}` : `${value}`,
      ]),
    );
  }

  static async start(
    realSite: RealSite,
    benchSite: Site,
    subjects: readonly Subject[],
  ): Promise<Application> {
    const scratch = new Scratch();
    const services: Service[] = [];
    try {
      const account = accountIn(scratch);
      const place = placeOf(scratch, realSite.name, await freePort(), account);
      services.push(await startMariadb(scratch, account));
      await prepareSite(realSite, place);
      const pools = new Map(subjects.map(({ name, address }) => [name, address]));
      services.push(await startNginx(scratch, [[realSite, place]], () => pools));
      return new Application(realSite, place, scratch, services, benchSite.pages);
    } catch (error) {
      await end(services, scratch);
      throw error;
    }
  }

  /** The header of requests for that subject. */
  headersFor(subject: Subject): Readonly<Record<string, string>> {
    return { [SERVED_BY]: subject.name };
  }

  /**
   * The whole visit of `npm run test:apps`, which installs, writes and uploads, once: served by the first subject.
   *
   * @throws Error where a step of it fails
   */
  async fill(): Promise<void> {
    if (this.#isFilled) return;
    this.#isFilled = true;
    await this.#site.visit(new Visitor(this.url), (_what, act) => act(), this.#place);
  }

  /** @returns what did not end as it should */
  end(): Promise<string[]> {
    return end(this.#services, this.#scratch);
  }
}

async function end(services: readonly Service[], scratch: Scratch): Promise<string[]> {
  const problems: string[] = [];
  for (const service of services.toReversed()) problems.push(...(await service.stop()));
  scratch.remove();
  return problems;
}
