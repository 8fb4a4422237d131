import type { Bytes } from '../units.js';
import type { LogField, LogFieldKind, RequestRecord } from './record.js';

/** A text of a request, as it was noted; `undefined` where it has none. */
export type TextOf = (record: RequestRecord) => string | undefined;

/**
 * Collects the texts that a format needs of each request: each text once, cut to the longest that any use of it
 * needs.
 */
export class FieldList {
  wantsCpu = false;
  readonly #fields: { kind: LogFieldKind; name: string; most: Bytes; places: { index: number } }[] = [];

  /** @returns how to read the text from a record, once {@link finish} was called */
  add(kind: LogFieldKind, most: Bytes, name = ''): TextOf {
    const there = this.#fields.find((field) => field.kind === kind && field.name === name);
    if (there === undefined) {
      const places = { index: -1 };
      this.#fields.push({ kind, name, most, places });
      return this.#reader(places, most);
    }
    there.most = Math.max(there.most, most);
    return this.#reader(there.places, most);
  }

  /** Cuts the text for this use: another use of it may need more. */
  #reader(places: { readonly index: number }, most: Bytes): TextOf {
    return (record) => record.texts[places.index]?.slice(0, most);
  }

  /** The fields in the order of a record: response headers come last. */
  finish(): LogField[] {
    const isHeader = ({ kind }: LogField) => kind === 'HEADER';
    const sorted = [
      ...this.#fields.filter((field) => !isHeader(field)),
      ...this.#fields.filter((field) => isHeader(field)),
    ];
    sorted.forEach(({ places }, index) => {
      places.index = index;
    });
    const texts = sorted.map(({ kind, name, most }) => ({ kind, name, most }));
    return this.wantsCpu ? [...texts, { kind: 'CPU', name: '', most: 0 }] : texts;
  }
}
