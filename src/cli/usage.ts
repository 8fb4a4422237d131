import type { Option } from 'commander';
import { ownVersion } from '../version.js';
import { controlOptions, createProgram, topOptions, traceOptions } from './program.js';

const SYNOPSIS =
  '[-n] [-e] [-h] [-i] [-m] [-v] [-t] [-p <prefix>] [-g <pid>] [-c <file>] [-d foo[=bar]] [-y <file>] [-D] [-F [-O]]';

/** Column where php-fpm puts the text of an option, on a line of its own if the name is too long. */
const TEXT_COLUMN = 19;

/** The usage text of `-h` and of a wrong command line. */
export function usageText(progName: string): string {
  const options = createProgram().options.filter((option) => !option.hidden);
  return [
    `Usage: ${progName} ${SYNOPSIS}`,
    `       ${progName} serve [<docroot>] [--port <number>]`,
    `       ${progName} demo [--port <number>]`,
    `       ${progName} status|reload|stop|reopen|upgrade|test [<where>] [--json] [--timeout <s>]`,
    `       ${progName} completion bash|zsh`,
    `       ${progName} trace <pid or pool> [<where>] [--sample <time>] [--hz <n>] [--output <file>]`,
    `       ${progName} top [<where>] [--once] [--json] [--interval <s>] [--sort <key>] [--filter <text>]`,
    `       ${progName} unit [--config <file>]`,
    ...options.flatMap(describe),
    '',
    'status, reload, stop, reopen (logs), upgrade and test (the configuration) talk to the master that runs',
    'and wait for the outcome. Exit code: 0 it has happened; 1 it has not, and the service goes on as it was;',
    '69 no master answers; 75 no outcome in time. stop lets requests end; --terminate and --kill wait less.',
    ...controlOptions().flatMap(describe),
    '',
    'trace shows where PHP is in one worker, or in all of a pool that have a request in hand; with --sample it',
    'counts stacks, for flame graphs.',
    ...traceOptions().flatMap(describe),
    '',
    'top shows pools and workers as they are now, again and again; ? in it lists its keys. Into a pipe it',
    'writes a table, or a line of JSON, for each interval.',
    ...topOptions().flatMap(describe),
    '',
    'serve shows a directory by a small web server with PHP, demo a page that PHP makes; both are for',
    'development only.',
    '',
    'unit prints a unit for systemd with the paths of this installation.',
    'completion prints what makes bash or zsh complete all this. Each command has --help of its own.',
    '',
    `This is tsfpm ${ownVersion()}.`,
    '',
  ].join('\n');
}

/** A line of the usage text, or two. */
export function describe(option: Option): string[] {
  const name = `  ${option.flags}`;
  return name.length < TEXT_COLUMN
    ? [`${name.padEnd(TEXT_COLUMN)}${option.description}`]
    : [name, `${' '.repeat(TEXT_COLUMN)}${option.description}`];
}
