import { usageText } from '../cli/usage.js';
import { roffLiteral, roffText } from '../text/roff.js';
import { pageHead } from './page-head.js';

const ABOUT = [
  'tsfpm keeps pools of php-cgi processes that web servers reach by FastCGI, as php-fpm does: it reads a file like',
  'that of php-fpm, binds the sockets of its pools, starts and ends workers as they are needed, and keeps logs.',
  'A reload loses no request, and a file with a mistake leaves what runs as it is.',
].join('\n');

const SIGNALS = [
  ['USR2, HUP', 'Reload; or upgrade in place, where another version is installed than the one that runs.'],
  ['QUIT', 'Stop when all requests have ended.'],
  ['TERM', 'Stop; requests have process_control_timeout to end.'],
  ['INT', 'Stop at once.'],
  ['USR1', 'Open the logs anew.'],
] as const;

const FILES = [
  ['/etc/tsfpm.conf', 'The configuration.'],
  [
    '/etc/tsfpm/tsfpm.conf',
    'The configuration as the Debian package has it; read where there is no /etc/tsfpm.conf.',
  ],
] as const;

/** tsfpm(8): its options and commands are those of the usage text. */
export function commandPage(version: string): string {
  const [synopsis = '', ...rest] = usageText('tsfpm').split(/\n(?! {7}tsfpm )/);
  return [
    pageHead({ name: 'tsfpm', section: 8, title: 'FastCGI process manager for PHP', version }),
    '.SH SYNOPSIS',
    roffLiteral(synopsis.replace('Usage:', '      ').replace(/^ {7}/gm, '')),
    '.SH DESCRIPTION',
    roffText(ABOUT),
    '.SH OPTIONS AND COMMANDS',
    roffLiteral(rest.join('\n')),
    '.SH SIGNALS',
    ...SIGNALS.map(item),
    '.SH FILES',
    ...FILES.map(item),
    '.SH SEE ALSO',
    '.BR tsfpm.conf (5)',
    '',
  ].join('\n');
}

function item([name, text]: readonly [string, string]): string {
  return ['.TP', `.B ${roffText(name)}`, roffText(text)].join('\n');
}
