import { type Config, inOrderOfApplication, type KeyValue, settingName } from './config.js';
import { type DirectiveRow, GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from './directives.js';
import type { Setting } from './draft.js';
import { dumpValueOf } from './values.js';

/**
 * What `-tt` prints: one line per item, to be logged as NOTICE each.
 *
 * @see docs/architecture.md#php-fpms-rules-that-are-kept
 */
export function dumpConfig(config: Config): string[] {
  const sections: [string, readonly DirectiveRow[], object][] = [
    ['global', GLOBAL_DIRECTIVES, config.global],
    ...config.pools.map((pool): [string, readonly DirectiveRow[], object] => [
      pool.name,
      POOL_DIRECTIVES,
      pool,
    ]),
  ];
  return sections.flatMap(([name, rows, settings]) => [
    `[${name}]`,
    ...rows.flatMap((row) => dumpRow(row, settings as Readonly<Record<string, unknown>>, config)),
    ' ',
  ]);
}

function dumpRow(row: DirectiveRow, settings: Readonly<Record<string, unknown>>, config: Config): string[] {
  if (row.dump === 'hidden' || row.storedIn !== undefined) return [];
  const setting = settings[settingName(row.name)];
  if (row.array !== undefined) {
    return inOrderOfApplication(setting as readonly KeyValue[]).map(
      ({ key, value }) => `\t${row.name}[${key}] = ${value}`,
    );
  }
  return [`\t${row.name} = ${dumpSetting(row, setting as Setting | undefined, config)}`];
}

function dumpSetting(row: DirectiveRow, setting: Setting | undefined, config: Config): string {
  if (row.dump === 'unknown value' && !config.written.includes(row.name)) return row.dump;
  if (setting === undefined) return 'undefined';
  return row.dump === 'bare' ? String(setting) : dumpValueOf(row.type, setting as never);
}
