import { type DirectiveRow, GLOBAL_DIRECTIVES, POOL_DIRECTIVES } from '../config/directives.js';
import { defaultText, sampleLine } from '../config/sample.js';
import { roffLiteral, roffText } from '../text/roff.js';
import { pageHead } from './page-head.js';

const ABOUT = [
  'The file has a section [global], and one for each pool, in the form of an INI file. Files that were written for',
  'php-fpm mean the same here. Times are seconds, or end in s, m, h or d. In the values of a pool $pool stands for',
  "the name of its section. Relative paths start at /usr, those of pid and error_log at /var. 'include = PATTERN'",
  'reads more files. tsfpm -t checks the file, and tsfpm -tt shows the value of each directive.',
].join('\n');

/** tsfpm.conf(5), made from the table of directives. */
export function directivesPage(version: string): string {
  return [
    pageHead({ name: 'tsfpm.conf', section: 5, title: 'configuration of tsfpm', version }),
    '.SH DESCRIPTION',
    roffText(ABOUT),
    '.SH SECTION [global]',
    ...GLOBAL_DIRECTIVES.map(entry),
    '.SH SECTION OF A POOL',
    ...POOL_DIRECTIVES.map(entry),
    '.SH SEE ALSO',
    '.BR tsfpm (8)',
    '',
  ].join('\n');
}

function entry(row: DirectiveRow): string {
  const value = defaultText(row);
  const facts = [
    ...(row.unit === undefined ? [] : [`Unit: ${row.unit}.`]),
    ...(value === undefined ? [] : [value === '' ? 'Default: empty.' : `Default: ${value}.`]),
    `Example: ${sampleLine(row)}`,
  ];
  return [
    '.TP',
    `.B ${roffText(row.name)}`,
    roffText(row.summary),
    ...(row.details === undefined ? [] : ['.br', roffLiteral(row.details.join('\n'))]),
    '.br',
    roffText(facts.join(' ')),
  ].join('\n');
}
