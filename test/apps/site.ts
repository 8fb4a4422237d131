import type { Settings } from '../helpers/daemon-folder.js';
import type { Place } from './place.js';
import type { Normaliser } from './sameness.js';
import type { Visitor } from './visitor.js';

/** One step of a visit: a check with a name. What throws in it fails it, and ends the visit of this site. */
export type Step = (what: string, act: () => Promise<void>) => Promise<void>;

/** An application behind nginx, and how it is visited. Visits are the same, to the byte, under either process manager. */
export interface Site {
  readonly name: string;
  /** Document root. */
  root(place: Place): string;
  /** nginx directives of its server, before the location that passes to PHP. */
  server(place: Place): string;
  /** nginx keeps its connections to the pool open, as some do. */
  readonly keepsConnections?: boolean;
  /** Pool directives of its own. */
  pool(place: Place): Settings;
  /** Makes it new, before the process manager starts. */
  prepare(place: Place): void | Promise<void>;
  visit(visitor: Visitor, step: Step, place: Place): Promise<void>;
  /** What differs by nature in its answers, beyond what does everywhere. */
  readonly normalisers: readonly Normaliser[];
  /** Pages for anyone, after a visit. */
  readonly browsing: readonly string[];
}

/** Makes a site new, with the folders that its pool names. */
export async function prepareSite(site: Site, place: Place): Promise<void> {
  place.empty();
  place.empty('sessions');
  place.empty('tmp');
  await site.prepare(place);
}
