import { parseArgs } from 'node:util';
import { UsageError } from '../../src/errors.js';
import type { Count, Seconds } from '../../src/units.js';

export const USAGE = `usage: npm run bench -- [options]
  --rounds N          measurements of each subject in each scenario (5)
  --seconds S         length of a measurement (4)
  --short             3 rounds of 1 s: about four minutes
  --only A,B          these subjects: tsfpm, php-fpm, spawn-fcgi
  --without A,B       all subjects but these
  --scenario A,B      these scenarios
  --json FILE         writes every sample there
  --check             exit code 1 if a target is missed or a request failed
`;

export interface BenchOptions {
  readonly rounds: Count;
  readonly seconds: Seconds;
  /** Scenarios that count things count fewer. */
  readonly isShort: boolean;
  readonly jsonFile: string | undefined;
  readonly isCheck: boolean;
  readonly isHelp: boolean;
  /** Names that take part, in the given order. */
  readonly subjects: readonly string[];
  readonly scenarios: readonly string[];
}

function numberIn(option: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= lowest && value <= highest)) {
    throw new UsageError(`--${option} takes a number from ${lowest} to ${highest}, not "${text}"`, option);
  }
  return value;
}

function namesIn(option: string, text: string | undefined, known: readonly string[]): string[] | undefined {
  const names = text?.split(',').map((name) => name.trim());
  const stranger = names?.find((name) => !known.includes(name));
  if (stranger !== undefined) {
    throw new UsageError(`--${option}: there is no "${stranger}"; known are ${known.join(', ')}`, option);
  }
  return names;
}

function readArguments(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        rounds: text,
        seconds: text,
        short: flag,
        only: text,
        without: text,
        scenario: text,
        json: text,
        check: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** @throws UsageError */
export function parseOptions(
  args: readonly string[],
  known: { readonly subjects: readonly string[]; readonly scenarios: readonly string[] },
): BenchOptions {
  const values = readArguments(args);
  const only = namesIn('only', values.only, known.subjects) ?? known.subjects;
  const without = namesIn('without', values.without, known.subjects) ?? [];
  const rounds = numberIn('rounds', values.rounds ?? (values.short ? '3' : '5'), 1, 1000);
  return {
    rounds: Math.trunc(rounds),
    seconds: numberIn('seconds', values.seconds ?? (values.short ? '1' : '4'), 0.1, 3600),
    isShort: values.short,
    jsonFile: values.json,
    isCheck: values.check,
    isHelp: values.help,
    subjects: known.subjects.filter((name) => only.includes(name) && !without.includes(name)),
    scenarios: namesIn('scenario', values.scenario, known.scenarios) ?? known.scenarios,
  };
}
