import { pathToFileURL } from 'node:url';
import { type DirectiveRow, GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from './directives.js';
import { printValueOf } from './values.js';

/** What the shipped file sets; it shows all other directives as comments. */
const POOL_SETTINGS: Readonly<Record<string, string>> = {
  user: 'www-data',
  group: 'www-data',
  'listen.owner': 'www-data',
  'listen.group': 'www-data',
  listen: '/run/tsfpm-$pool.sock',
  pm: 'static',
  'pm.max_children': '4',
};

const HEAD = [
  '; Configuration of tsfpm. Files written for php-fpm work unchanged.',
  ';',
  '; Every directive is shown with its default, or with an example where it has none.',
  '; Relative paths start at /usr, those of pid and error_log at /var; --prefix replaces both.',
  '; Times are seconds, or end in s, m, h or d. More files: include = /etc/tsfpm.d/*.conf',
];

const POOL_HEAD = [
  '; A pool: an address, and the workers that answer there. There may be any number of pools, each in a',
  "; section of its own. $pool stands for the name of the section in all of a pool's values.",
];

/**
 * The file that is shipped as conf/tsfpm.conf, made from the table of directives. After a change there:
 * `node dist/src/config/sample.js > conf/tsfpm.conf`
 */
export function sampleFile(): string {
  const lines = [
    ...HEAD,
    '',
    '[global]',
    '',
    ...section(GLOBAL_DIRECTIVES, {}),
    ...POOL_HEAD,
    '',
    '[www]',
    '',
    ...section(POOL_DIRECTIVES, POOL_SETTINGS),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The line that sets a directive to its default or its example, as the sample shows it. */
export function sampleLine(row: DirectiveRow): string {
  if (row.array === 'keyed') {
    return `${row.name}${row.example}`;
  }
  if (row.array === 'list') {
    return `${row.name}[] = ${row.example}`;
  }
  return `${row.name} = ${row.example ?? defaultOf(row)}`;
}

function section(rows: readonly DirectiveRow[], settings: Readonly<Record<string, string>>): string[] {
  return rows.flatMap((row) => {
    const set = settings[row.name];
    return [...comment(row), set === undefined ? `;${sampleLine(row)}` : `${row.name} = ${set}`, ''];
  });
}

function comment(row: DirectiveRow): string[] {
  const value = defaultText(row);
  const notes = [
    row.summary,
    ...(row.details ?? []),
    ...(row.unit === undefined ? [] : [`Unit: ${row.unit}`]),
    ...(value === undefined ? [] : [`Default: ${value}`]),
  ];
  return notes.map((line) => `; ${line}`);
}

/** The default as the sample file tells it; undefined for a directive that every file must have. */
export function defaultText(row: DirectiveRow): string | undefined {
  return row.required === true ? undefined : (row.defaultText ?? defaultOf(row));
}

function defaultOf(row: DirectiveRow): string {
  return row.default === undefined ? '' : printValueOf(row.type, row.default as never);
}

const isMain = process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href;
if (isMain) process.stdout.write(sampleFile());
