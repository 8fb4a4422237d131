import { type Config, settingName } from './config.js';
import { DIRECTIVES } from './directives.js';

/**
 * What the file asks for and this version does not do yet: directives by name, and values of directives
 * that do work otherwise as `name = value`. For one NOTICE at the start; empty when all is in force.
 */
export function directivesNotInForce(config: Config): string[] {
  const directives = DIRECTIVES.filter((row) => !row.inForce && config.written.includes(row.name)).map(
    (row) => row.name,
  );
  return [...new Set([...directives, ...valuesNotInForce(config)])];
}

function valuesNotInForce(config: Config): string[] {
  return DIRECTIVES.flatMap((row) => {
    const used = config.pools.map((pool) =>
      String((pool as Readonly<Record<string, unknown>>)[settingName(row.name)]),
    );
    return (row.valuesNotInForce ?? [])
      .filter((value) => used.includes(value))
      .map((value) => `${row.name} = ${value}`);
  });
}
