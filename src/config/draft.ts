import type { KeyValue } from './config.js';
import type { ValueKind, ValueTypes } from './values.js';

export type Setting = ValueTypes[ValueKind];

/** A section as written in the file: each value parsed alone, no rules applied, no defaults. */
export interface SectionDraft {
  /** Scalar settings by the name in the table. */
  readonly scalars: Map<string, Setting>;
  /** Array entries by the name of the list they go to, in the order of the file. */
  readonly arrays: Map<string, KeyValue[]>;
  /** A line of the section was refused: a setting that is missing may be on that line. */
  refused: boolean;
}

export interface PoolDraft extends SectionDraft {
  readonly name: string;
}

/** All files together, before defaults and checks. */
export interface Draft {
  readonly global: SectionDraft;
  /** In the order of the file; a name that comes again continues the first. */
  readonly pools: PoolDraft[];
  /** Names of the directives that were set; see `Config.written`. */
  readonly written: Set<string>;
}

export function emptySection(): SectionDraft {
  return { scalars: new Map(), arrays: new Map(), refused: false };
}

export function emptyDraft(): Draft {
  return { global: emptySection(), pools: [], written: new Set() };
}
