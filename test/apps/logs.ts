import { readFileSync } from 'node:fs';

/** A log that grows, read piece by piece. */
export class LogMark {
  readonly #path: string;
  #at = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** What was added since the last call. */
  next(): string {
    const text = readFileSync(this.#path, 'utf8');
    const piece = text.slice(this.#at);
    this.#at = text.length;
    return piece;
  }
}

/**
 * The lines from WARNING up of the error log of a process manager or of nginx, without what differs from run to run: time,
 * process, connection, client.
 */
export function complaints(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => /\] (?:WARNING|ERROR|ALERT): |\[(?:warn|error|crit|alert|emerg)\]/.test(line))
    .map((line) =>
      line
        .replace(/^\[[^\]]*\] |^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, '')
        .replace(/\bchild \d+/g, 'child N')
        .replace(/\b\d+#\d+: \*\d+ /g, '')
        .replace(/\bseconds from start\b.*/, '')
        .replace(/\/nginx\/client_body\/\d+/g, '/nginx/client_body/N')
        .replace(/\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d|\b\d{10,14}\b/g, 'N'),
    );
}
