import { assignArrayEntry, assignScalar } from './assign.js';
import { type Draft, emptyDraft, emptySection, type PoolDraft } from './draft.js';
import { type IniItem, readIni } from './ini.js';
import type { IniLookups } from './ini-value.js';
import { fatal, type Problem } from './problem.js';

/** An `include` line; the caller, who knows the disk, reads the files. */
export interface IncludeRequest {
  readonly pattern: string;
  /** Name of the including file, as it was given. */
  readonly file: string;
  readonly line: number;
}

/**
 * Collects sections and settings from one text after another. The section that is open at the end of
 * an included text stays open in the including one, as in php-fpm; but each file counts its own lines
 * (after an include, line numbers in php-fpm's messages are those of no file).
 */
export class ConfigReader {
  readonly draft: Draft = emptyDraft();
  readonly problems: Problem[] = [];
  readonly #lookups: IniLookups;
  readonly #include: (request: IncludeRequest) => void;
  /** By name in lower case, since php-fpm compares so. */
  readonly #pools = new Map<string, PoolDraft>();
  #pool: PoolDraft | undefined;

  /** @param include is called at each `include` line, before the next line is read */
  constructor(lookups: IniLookups, include: (request: IncludeRequest) => void) {
    this.#lookups = lookups;
    this.#include = include;
  }

  readText(file: string, text: string): void {
    for (const item of readIni(text, this.#lookups)) {
      const refusal = this.#take(file, item);
      if (refusal !== undefined) this.#refuse(file, item, refusal);
    }
  }

  /** Marks the open section as refused: something that belongs to it could not be read. */
  markRefused(): void {
    (this.#pool ?? this.draft.global).refused = true;
  }

  #take(file: string, item: IniItem): string | undefined {
    switch (item.kind) {
      case 'syntax':
        return item.message;
      case 'section':
        this.#open(item.name);
        return undefined;
      case 'entry':
        return this.#takeEntry(file, item);
    }
  }

  #takeEntry(file: string, item: IniItem & { kind: 'entry' }): string | undefined {
    const { name, key, value, line } = item;
    if (value === undefined) return 'value is NULL for a ZEND_INI_PARSER_ENTRY';
    if (key !== undefined) return assignArrayEntry(this.draft, this.#pool, name, key, value);
    if (name === 'include') {
      this.#include({ pattern: value, file, line });
      return undefined;
    }
    return assignScalar(this.draft, this.#pool, name, value);
  }

  #open(name: string): void {
    const lower = name.toLowerCase();
    if (lower === 'global') {
      this.#pool = undefined;
      return;
    }
    this.#pool = this.#pools.get(lower);
    if (this.#pool === undefined) {
      this.#pool = { name, ...emptySection() };
      this.#pools.set(lower, this.#pool);
      this.draft.pools.push(this.#pool);
    }
  }

  #refuse(file: string, item: IniItem, refusal: string): void {
    this.markRefused();
    const directive = item.kind === 'entry' ? item.name : undefined;
    const value = item.kind === 'entry' ? item.value : undefined;
    const section = this.#pool?.name ?? 'global';
    this.problems.push(
      fatal(`[${file}:${item.line}] ${refusal}`, { file, line: item.line, section, directive, value }),
    );
  }
}
