import type { KeyValue } from './config.js';

/**
 * Entries in the order php-fpm applies them: last of the file first, so that of several entries for
 * one key the one that was written first is applied last and stays.
 */
export function inOrderOfApplication(entries: readonly KeyValue[]): KeyValue[] {
  return entries.toReversed();
}
