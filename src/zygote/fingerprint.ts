import { statSync } from 'node:fs';
import { onceATurn } from '../os/once-a-turn.js';

/** What files were like when something was made of them. They are not read. */
export class Fingerprint {
  readonly #paths: readonly string[];
  readonly #text: string;
  /** Of many pools that one template was made for. */
  readonly #compare = onceATurn(() => fingerprint(this.#paths) === this.#text);

  constructor(paths: readonly string[]) {
    this.#paths = paths;
    this.#text = fingerprint(paths);
  }

  /** None of them has been replaced or written since. */
  get isUpToDate(): boolean {
    return this.#compare();
  }
}

function fingerprint(paths: readonly string[]): string {
  return paths.map((path) => `${path}=${stamp(path)}`).join('\n');
}

function stamp(path: string): string {
  try {
    const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch {
    return 'missing'; // or out of reach now: EACCES, ENOMEM, ESTALE
  }
}
