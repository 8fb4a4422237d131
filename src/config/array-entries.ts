import type { KeyValue } from './config.js';

/**
 * Entries in the order php-fpm applies them: last of the file first, so that of several entries for
 * one key the one that was written first is applied last and stays.
 */
export function inOrderOfApplication(entries: readonly KeyValue[]): KeyValue[] {
  return entries.toReversed();
}

/** What is left of a list after it was applied: the entry that was written first for each key. */
export function effectiveEntries(entries: readonly KeyValue[]): Map<string, string> {
  return new Map(inOrderOfApplication(entries).map(({ key, value }) => [key, value]));
}
