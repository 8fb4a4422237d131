import { Command, Option } from 'commander';
import { UsageError } from '../errors.js';
import { SORT_KEYS } from '../top/view.js';

/** Option values as commander keeps them. */
export interface ParsedOptions {
  readonly phpIni?: string;
  readonly noPhpIni?: true;
  readonly define?: readonly string[];
  readonly profileInfo?: true;
  readonly help?: true;
  readonly usage?: true;
  readonly info?: true;
  readonly modules?: true;
  readonly version?: true;
  readonly prefix?: string;
  readonly pid?: string;
  readonly fpmConfig?: string;
  /** How often `-t` was given. */
  readonly test?: number;
  readonly daemonize?: true;
  readonly nodaemonize?: true;
  readonly forceStderr?: true;
  readonly allowToRunAsRoot?: true;
}

/** The commands for a running master. */
export const CONTROL_VERBS = ['status', 'reload', 'stop', 'reopen', 'upgrade', 'test', 'trace'] as const;
export type ControlVerb = (typeof CONTROL_VERBS)[number];

/** Option values of the commands for a running master, as commander keeps them. */
export interface ParsedControlOptions {
  readonly config?: string;
  readonly prefix?: string;
  readonly pid?: string;
  readonly control?: string;
  readonly json?: true;
  readonly timeout?: string;
  readonly terminate?: true;
  readonly kill?: true;
  readonly sample?: string;
  readonly hz?: string;
  readonly output?: string;
  readonly pool?: string;
}

/** Option values of `top`, as commander keeps them. */
export interface ParsedTopOptions
  extends Pick<ParsedControlOptions, 'config' | 'prefix' | 'pid' | 'control' | 'json' | 'pool'> {
  readonly once?: true;
  readonly interval?: string;
  readonly sort?: string;
  readonly filter?: string;
}

/** Every command, in the order of the usage text. */
export const COMMANDS = ['serve', 'demo', ...CONTROL_VERBS, 'top', 'unit', 'completion'] as const;
export type CommandName = (typeof COMMANDS)[number];

/**
 * @param word first of the command line, which is neither an option nor a command
 * @throws CommanderError that names the command it may be a misspelling of
 */
export function refuseCommand(word: string): never {
  const program = quiet(new Command('tsfpm')).helpCommand(false);
  for (const name of COMMANDS) program.command(name).action(() => {});
  program.parse([word], { from: 'user' });
  throw new UsageError(`unknown command '${word}'`);
}

/** Options that are obeyed at once, whatever follows them. */
export const IMMEDIATE_OPTIONS: readonly string[] = ['--help', '--usage', '--modules', '--version'];

/** Other long names of options that have one already. */
export const LONG_ALIASES: Readonly<Record<string, string>> = { '--config': '--fpm-config' };

/** The options of the daemon: php-fpm's, one by one. The usage text is made from them too. */
export function createProgram(): Command {
  const program = quiet(new Command('tsfpm')).helpOption(false);
  for (const option of daemonOptions()) program.addOption(option);
  let tests = 0;
  program.on('option:test', () => program.setOptionValue('test', ++tests));
  // The last of -D and -F counts, so each removes the other.
  program.on('option:daemonize', () => program.setOptionValue('nodaemonize', undefined));
  program.on('option:nodaemonize', () => program.setOptionValue('daemonize', undefined));
  return program;
}

/** One of the two commands that start a web server for development. */
export function createServerCommand(name: 'serve' | 'demo'): Command {
  const command = quiet(new Command(name))
    .helpOption(false)
    .option('--port <number>', 'TCP port of the web server (default: 8080)', '8080');
  return name === 'serve' ? command.argument('[docroot]', 'directory to serve', '.') : command;
}

/** `tsfpm unit`. */
export function createUnitCommand(): Command {
  return quiet(new Command('unit'))
    .helpOption(false)
    .option('-y, --config <file>', 'configuration file of the service');
}

/** One of the commands for a running master. */
export function createControlCommand(name: ControlVerb): Command {
  const command = quiet(new Command(name)).helpOption(false);
  for (const option of controlOptions()) command.addOption(option);
  if (name === 'status') command.addOption(new Option('--pool <name>', 'only this pool'));
  if (name === 'stop') {
    command.addOption(new Option('--terminate', 'wait for requests no longer than process_control_timeout'));
    command.addOption(new Option('--kill', 'do not wait for requests').conflicts('terminate'));
  }
  if (name === 'trace') {
    command.argument('<pid or pool>');
    for (const option of traceOptions()) command.addOption(option);
  }
  return command;
}

export function traceOptions(): Option[] {
  return [
    new Option('--sample <time>', 'look for so long (10s, 500ms) and count the stacks'),
    new Option('--hz <n>', 'looks per second (default: 99)'),
    new Option('--output <file>', 'file for the counted stacks (default: standard output)'),
  ];
}

/** `tsfpm completion`. */
export function createCompletionCommand(): Command {
  return quiet(new Command('completion')).helpOption(false).argument('<shell>', 'bash or zsh');
}

/** `tsfpm top`. */
export function createTopCommand(): Command {
  const command = quiet(new Command('top')).helpOption(false);
  for (const option of [...whereOptions(), ...topOptions()]) command.addOption(option);
  return command;
}

export function topOptions(): Option[] {
  return [
    new Option('--once', 'show one interval, and end'),
    new Option('--interval <s>', 'seconds between two looks (default: 2, with --once 1)'),
    new Option('--sort <key>', `order of the workers: ${SORT_KEYS.join(', ')} (default: time)`),
    new Option('--filter <text>', 'only workers with this text in pool, state, request or script'),
    new Option('--pool <name>', 'only this pool'),
  ];
}

/** Options of all commands for a running master. */
export function controlOptions(): Option[] {
  return [
    ...whereOptions(),
    new Option('--timeout <s>', 'longest wait in seconds, 0 is for ever (default: 60, for stop 0)'),
  ];
}

/** Options that say which master is meant. */
function whereOptions(): Option[] {
  return [
    new Option('-y, --config <file>', 'configuration file of the master (default: /etc/tsfpm.conf)'),
    new Option('-p, --prefix <dir>', 'directory that relative paths start at, as given to the master'),
    new Option('-g, --pid <file>', 'pid file of the master, where the configuration names none'),
    new Option('--control <path>', 'control socket of the master; the configuration is not read then'),
    new Option('--json', 'answer in JSON'),
  ];
}

/** Keeps commander from printing and from ending the process: the caller decides on both. */
function quiet(command: Command): Command {
  const ignore = () => {};
  return command.exitOverride().configureOutput({ writeOut: ignore, writeErr: ignore });
}

function daemonOptions(): Option[] {
  return [
    new Option('-c, --php-ini <path>', 'php.ini file, or the directory it is in'),
    notNegated(new Option('-n, --no-php-ini', 'read no php.ini')),
    new Option('-d, --define <name[=value]>', 'set a php.ini setting; may be given again').argParser(collect),
    new Option('-e, --profile-info', 'compile scripts with extended information for debuggers'),
    new Option('-h, --help', 'show this help'),
    new Option('-?, --usage', 'show this help').hideHelp(),
    new Option('-i, --info', 'show what PHP tells about itself'),
    new Option('-m, --modules', 'list the modules of PHP'),
    new Option('-v, --version', 'show the version of PHP'),
    new Option('-p, --prefix <dir>', 'directory that relative paths start at (default: /usr)'),
    new Option('-g, --pid <file>', 'pid file, where the configuration names none'),
    new Option('-y, --fpm-config <file>', 'configuration file (default: /etc/tsfpm.conf); also --config'),
    new Option('-t, --test', 'check the configuration and end; twice shows it as well'),
    new Option('-D, --daemonize', 'run in the background, whatever the configuration says'),
    new Option('-F, --nodaemonize', 'stay in the foreground, whatever the configuration says'),
    new Option('-O, --force-stderr', 'in the foreground log to stderr, even if it is no terminal'),
    new Option('-R, --allow-to-run-as-root', 'allow pools that run as root'),
  ];
}

/** commander takes `--no-x` for the opposite of `--x`; here it is an option of its own. */
function notNegated(option: Option): Option {
  option.negate = false;
  return option;
}

function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
