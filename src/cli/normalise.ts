import type { Option } from 'commander';
import { UsageError } from '../errors.js';
import { IMMEDIATE_OPTIONS, LONG_ALIASES } from './program.js';

/**
 * Rewrites a command line that PHP's getopt understands into one that commander reads the same way:
 * each option by its long name, its argument behind `=`. Ends behind an option that is obeyed at once.
 * PHP's forms: `-y FILE`, `-yFILE`, `-y=FILE`, `-ty FILE`, `--fpm-config FILE`, `--fpm-config=FILE`.
 *
 * @throws UsageError for an unknown option, a missing argument, or a word that belongs to no option
 */
export function normaliseArguments(argv: readonly string[], options: readonly Option[]): string[] {
  const words = [...argv];
  const normal: string[] = [];
  while (words.length > 0) {
    const word = words.shift() ?? '';
    if (word === '--') {
      refuseWord(words[0], normal);
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      refuseWord(word, normal);
      break;
    }
    const taken = word.startsWith('--') ? takeLong(word, words, options) : takeShort(word, words, options);
    normal.push(...taken);
    if (taken.some((option) => IMMEDIATE_OPTIONS.includes(option))) break;
  }
  return normal;
}

/** php-fpm checks words behind its options last, after it has obeyed --info. */
function refuseWord(word: string | undefined, before: readonly string[]): void {
  if (word !== undefined && !before.includes('--info')) {
    throw new UsageError(`unexpected argument '${word}'`);
  }
}

function takeLong(word: string, rest: string[], options: readonly Option[]): string[] {
  const equals = word.indexOf('=');
  const name = equals === -1 ? word : word.slice(0, equals);
  const long = Object.hasOwn(LONG_ALIASES, name) ? LONG_ALIASES[name] : name;
  const option = options.find((candidate) => candidate.long === long);
  if (option === undefined) {
    throw new UsageError(`unknown option '${name}'`, name);
  }
  if (!option.required) {
    return [`${option.long}`]; // an argument that it does not take is ignored, as by PHP
  }
  const value = equals === -1 ? rest.shift() : word.slice(equals + 1) || undefined;
  return [withValue(option, name, value)];
}

function takeShort(word: string, rest: string[], options: readonly Option[]): string[] {
  const taken: string[] = [];
  for (let position = 1; position < word.length; position += 1) {
    const name = `-${word.charAt(position)}`;
    const option = options.find((candidate) => candidate.short === name);
    if (option === undefined) {
      throw new UsageError(`unknown option '${name}'`, name);
    }
    if (option.required) {
      const glued = word.slice(position + 1);
      return [...taken, withValue(option, name, glued === '' ? rest.shift() : glued.replace(/^=/, ''))];
    }
    taken.push(`${option.long}`);
    if (IMMEDIATE_OPTIONS.includes(`${option.long}`)) break;
  }
  return taken;
}

function withValue(option: Option, name: string, value: string | undefined): string {
  if (value === undefined) {
    throw new UsageError(`option '${name}' needs an argument`, name);
  }
  return `${option.long}=${value}`;
}
