import type { Bytes } from '../units.js';
import type { LogField, LogFieldKind, RequestRecord } from './record.js';

/** A text of a request, as it was noted; `undefined` where it has none. */
export type TextOf = (record: RequestRecord) => string | undefined;

/** Collects what a format needs of each request: every text once, as long as the longest use of it wants. */
export class FieldList {
  wantsCpu = false;
  readonly #fields: { kind: LogFieldKind; name: string; most: Bytes; places: { index: number } }[] = [];

  /** @returns how to get at it, once {@link finish} was called */
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

  /** Another use of the same text may want more of it. */
  #reader(places: { readonly index: number }, most: Bytes): TextOf {
    return (record) => record.texts[places.index]?.slice(0, most);
  }

  /** In the order of a record: response headers are known last. */
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
