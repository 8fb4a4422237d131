import { pathToFileURL } from 'node:url';
import { type DirectiveRow, GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from './directives.js';
import { defaultText, sampleLine } from './sample.js';

const HEAD = [
  '# Every directive',
  '',
  'Made from the table in `src/config/directives.ts`; [conf/tsfpm.conf](../conf/tsfpm.conf) is the same ' +
    'as a file to start from.',
  'Directives with the names of php-fpm mean what they mean there. `tsfpm -tt --config FILE` shows the value of each.',
  '',
  'Times are seconds, or end in `s`, `m`, `h` or `d`. `$pool` in a value of a pool is the name of its section. ' +
    'Relative paths',
  'start at `/usr`, those of `pid` and `error_log` at `/var`; `--prefix` replaces both.',
];

/**
 * The page docs/directives.md, made from the table of directives. After a change there:
 * `node dist/src/config/reference.js > docs/directives.md`
 */
export function referencePage(): string {
  const lines = [
    ...HEAD,
    '',
    '## In the section `[global]`',
    '',
    ...links(GLOBAL_DIRECTIVES, []),
    '',
    ...GLOBAL_DIRECTIVES.flatMap(entry),
    '## In each pool',
    '',
    ...links(POOL_DIRECTIVES, GLOBAL_DIRECTIVES),
    '',
    ...POOL_DIRECTIVES.flatMap(entry),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

/**
 * A link to each entry, one a line.
 *
 * @param before entries that stand before these on the page: the second heading of one name gets a number in its anchor
 */
function links(rows: readonly DirectiveRow[], before: readonly DirectiveRow[]): string[] {
  return rows.map(({ name }, index) => {
    const anchor = `${name.replaceAll('.', '')}${before.some((row) => row.name === name) ? '-1' : ''}`;
    return `[${name}](#${anchor})${index === rows.length - 1 ? '' : ','}`;
  });
}

function entry(row: DirectiveRow): string[] {
  const value = defaultText(row);
  const facts = [
    ...(row.unit === undefined ? [] : [`Unit: ${row.unit}.`]),
    ...(value === undefined ? [] : [value === '' ? 'Default: empty.' : `Default: \`${value}\`.`]),
    `Example: \`${sampleLine(row)}\``,
  ];
  return [`### ${row.name}`, '', row.summary, ...details(row.details ?? []), '', facts.join(' '), ''];
}

/** Details of a directive; lists in them, which are indented, stay as they are. */
function details(lines: readonly string[]): string[] {
  if (!lines.some((line) => line.startsWith(' '))) return [...lines];
  return ['', '```text', ...lines, '```'];
}

const isMain = process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href;
if (isMain) process.stdout.write(referencePage());
