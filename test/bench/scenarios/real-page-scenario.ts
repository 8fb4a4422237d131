import type { Seconds } from '../../../src/units.js';
import { mediawiki } from '../../apps/sites/mediawiki.js';
import { wordpress } from '../../apps/sites/wordpress.js';
import { Application, type RealPages, whyUnavailable } from '../application.js';
import type { Bench, Metric, Sample, Scenario, Target } from '../scenario.js';
import type { Site } from '../site.js';
import type { PoolSettings, Subject } from '../subject.js';
import { describeVisit, type VisitResult, visit } from '../visitors.js';
import { WORKERS } from './throughput.js';

const WARM_UP_SECONDS: Seconds = 4;

export const APPLICATIONS: readonly RealPages[] = [
  {
    site: mediawiki,
    folder: '/usr/share/mediawiki',
    pages: {
      front: { path: '/index.php/Main_Page', expect: 'MediaWiki has been installed.' },
      article: { path: '/index.php/Zoo', expect: '<b>gnu</b>' },
      search: { path: '/index.php?title=Special:Search&search=gnu&fulltext=1', expect: 'Zoo' },
    },
  },
  {
    site: wordpress,
    folder: '/usr/share/wordpress',
    pages: {
      front: { path: '/', expect: 'Hello world!' },
      article: { path: '/zoo/', expect: '<b>lions</b>' },
      search: { path: '/?s=world', expect: 'Hello world!' },
    },
  },
];

/** What tells one scenario with a real application from another. */
export interface RealPageMeasurement {
  /** Behind the application's name. */
  readonly suffix: string;
  readonly title: string;
  readonly reloads: boolean;
  readonly metrics: readonly Metric[];
  readonly targets: readonly Target[];
  /** Pool directives that php-fpm does not know. */
  readonly tsfpmDirectives?: Readonly<Record<string, string>>;
  measure(bench: Bench, visitFor: Visiting): Promise<Sample>;
}

/** Visits until it is over. */
export type Visiting = (isOver: () => boolean) => Promise<VisitResult>;

export const forSeconds = (seconds: Seconds): (() => boolean) => {
  const end = performance.now() + seconds * 1000;
  return () => performance.now() >= end;
};

/** An application behind nginx, warm, with as many visitors as there are workers. */
export class RealPageScenario implements Scenario {
  readonly name: string;
  readonly title: string;
  readonly reloads: boolean;
  readonly metrics: readonly Metric[];
  readonly targets: readonly Target[];
  readonly mostRounds = 5;
  readonly #application: RealPages;
  readonly #measurement: RealPageMeasurement;
  #running: Application | undefined;

  constructor(application: RealPages, measurement: RealPageMeasurement) {
    this.#application = application;
    this.#measurement = measurement;
    this.name = `${application.site.name}${measurement.suffix}`;
    this.title = `${application.site.name}: ${measurement.title}`;
    this.reloads = measurement.reloads;
    this.metrics = measurement.metrics;
    this.targets = measurement.targets;
  }

  get unavailable(): string | undefined {
    return whyUnavailable(this.#application);
  }

  /** Before `prepare()` its directives are not known. */
  get pool(): PoolSettings {
    const directives = this.#running?.directives ?? {};
    const { tsfpmDirectives = {} } = this.#measurement;
    return { pm: 'static', maxChildren: WORKERS, hasAllExtensions: true, directives, tsfpmDirectives };
  }

  async prepare(site: Site, subjects: readonly Subject[]): Promise<void> {
    this.#running = await Application.start(this.#application.site, site, subjects);
  }

  async finish(): Promise<readonly string[]> {
    const running = this.#running;
    this.#running = undefined;
    return (await running?.end()) ?? [];
  }

  async warmUp(bench: Bench): Promise<readonly string[]> {
    await this.#running?.fill();
    return describeVisit(await this.#visiting(bench)(forSeconds(WARM_UP_SECONDS)));
  }

  measure(bench: Bench): Promise<Sample> {
    return this.#measurement.measure(bench, this.#visiting(bench));
  }

  #visiting({ subject, signal }: Bench): Visiting {
    const running = this.#running;
    if (running === undefined) throw new Error(`${this.name} does not run`);
    const { url } = running;
    const headers = running.headersFor(subject);
    const { pages } = this.#application;
    return (isOver) => visit({ url, headers, pages, visitors: WORKERS, isOver, signal });
  }
}
