import { CommanderError } from 'commander';
import { type ControlRequest, LONGEST_SAMPLE_MS, MOST_HZ } from '../control/protocol.js';
import type { StopKind } from '../control/target.js';
import { UsageError } from '../errors.js';
import { SORT_KEYS, type SortKey } from '../top/view.js';
import type { Milliseconds } from '../units.js';
import type { PhpOptions } from '../zygote/php-arguments.js';
import { SHELLS, type Shell } from './completion.js';
import { normaliseArguments } from './normalise.js';
import {
  COMMANDS,
  CONTROL_VERBS,
  type CommandName,
  type ControlVerb,
  createCompletionCommand,
  createControlCommand,
  createProgram,
  createServerCommand,
  createTopCommand,
  createUnitCommand,
  type ParsedControlOptions,
  type ParsedOptions,
  type ParsedTopOptions,
  refuseCommand,
} from './program.js';

/** Options for the master. */
export interface MasterOptions {
  /** `-y`, or `-d fpm.config=FILE`; `undefined` for the default file. */
  readonly configFile: string | undefined;
  /** `-p` */
  readonly prefix: string | undefined;
  /** `-g`; counts only where the configuration has no `pid`. */
  readonly pidFile: string | undefined;
  /** `-R` */
  readonly allowRoot: boolean;
  /** The last of `-D` and `-F`; `undefined` leaves it to the configuration. */
  readonly daemonize: boolean | undefined;
  /** `-O` */
  readonly forceStderr: boolean;
  readonly php: PhpOptions;
}

/** A command for a running master, and where its control socket is. */
export interface ControlOptions {
  readonly request: ControlRequest;
  /** `--control`: the socket itself. */
  readonly socket: string | undefined;
  /** `-y`; `undefined` for the default file. */
  readonly configFile: string | undefined;
  readonly prefix: string | undefined;
  /** `-g`; counts if no configuration file is named. */
  readonly pidFile: string | undefined;
  readonly json: boolean;
  /** `status`: show this pool only. */
  readonly pool?: string;
  /** `trace --sample`: the file for the stacks. */
  readonly output?: string;
  /** `undefined` waits for ever. */
  readonly timeoutMs: Milliseconds | undefined;
}

/** `tsfpm top`, and where its master's control socket is. */
export interface TopOptions
  extends Pick<ControlOptions, 'socket' | 'configFile' | 'prefix' | 'pidFile' | 'json'> {
  readonly once: boolean;
  /** Time between two readings; `undefined` for the default. */
  readonly intervalMs: Milliseconds | undefined;
  readonly sort: SortKey;
  readonly filter: string;
  /** Show this pool only. */
  readonly pool: string | undefined;
}

/** What a command line asks for. */
export type CommandLine =
  | ({ readonly verb: 'run' } & MasterOptions)
  /** `dump` is `-tt`. */
  | ({ readonly verb: 'test'; readonly dump: boolean } & MasterOptions)
  | { readonly verb: 'version' | 'modules' | 'info'; readonly php: PhpOptions }
  /** Of everything, or of one command. */
  | { readonly verb: 'help'; readonly progName: string; readonly command?: CommandName }
  | { readonly verb: 'completion'; readonly shell: Shell }
  /**
   * Exit 64. Of php-fpm's own options the usage is all that is printed, as php-fpm does; of a command, or of a word
   * that is none, the reason.
   */
  | {
      readonly verb: 'usage-error';
      readonly progName: string;
      readonly isCommand: boolean;
      readonly error: UsageError;
    }
  | { readonly verb: 'serve'; readonly docroot: string; readonly port: number }
  | { readonly verb: 'demo'; readonly port: number }
  | ({ readonly verb: 'control' } & ControlOptions)
  | ({ readonly verb: 'top' } & TopOptions)
  /** `configFile`: undefined for the default file. */
  | { readonly verb: 'unit'; readonly configFile: string | undefined };

/**
 * Reads the command line, left to right, as php-fpm does.
 *
 * @param argv without node and script
 * @param progName name for the usage text
 */
export function parseCommandLine(argv: readonly string[], progName: string): CommandLine {
  const [first, ...rest] = argv;
  try {
    const command = COMMANDS.find((name) => name === first);
    if (command !== undefined && (rest.includes('-h') || rest.includes('--help')))
      return { verb: 'help', progName, command };
    if (first === 'completion') return parseCompletionCommand(rest);
    if (first === 'serve' || first === 'demo') return parseServerCommand(first, rest);
    if (first === 'top') return parseTopCommand(rest);
    if (first === 'unit') return parseUnitCommand(rest);
    const verb = CONTROL_VERBS.find((name) => name === first);
    if (verb !== undefined) return parseControlCommand(verb, rest);
    if (first !== undefined && !first.startsWith('-')) refuseCommand(first);
    return parseDaemonOptions(argv, progName);
  } catch (error) {
    const isCommand = first !== undefined && !first.startsWith('-');
    return { verb: 'usage-error', progName, isCommand, error: usageErrorOf(error) };
  }
}

function parseDaemonOptions(argv: readonly string[], progName: string): CommandLine {
  const program = createProgram();
  program.parse(normaliseArguments(argv, program.options), { from: 'user' });
  const options: ParsedOptions = program.opts();
  const php = phpOptions(options);
  if (options.help || options.usage) {
    return { verb: 'help', progName };
  }
  if (options.version) {
    return { verb: 'version', php };
  }
  if (options.modules) {
    return { verb: 'modules', php };
  }
  if (options.info) {
    return { verb: 'info', php };
  }
  const master = masterOptions(options, php);
  return options.test === undefined
    ? { verb: 'run', ...master }
    : { verb: 'test', dump: options.test > 1, ...master };
}

function phpOptions(options: ParsedOptions): PhpOptions {
  return {
    ini: options.phpIni,
    noIni: options.noPhpIni ?? false,
    defines: options.define ?? [],
    profileInfo: options.profileInfo ?? false,
  };
}

function masterOptions(options: ParsedOptions, php: PhpOptions): MasterOptions {
  return {
    configFile: options.fpmConfig || definedConfigFile(php.defines),
    prefix: options.prefix,
    pidFile: options.pid,
    allowRoot: options.allowToRunAsRoot ?? false,
    daemonize: options.daemonize ?? (options.nodaemonize ? false : undefined),
    forceStderr: options.forceStderr ?? false,
    php,
  };
}

/** `-d fpm.config=FILE` names the file where -y does not. */
function definedConfigFile(defines: readonly string[]): string | undefined {
  const file = defines
    .findLast((define) => define.startsWith('fpm.config='))
    ?.slice('fpm.config='.length)
    .replace(/^"(.*)"$/, '$1');
  return file === '' ? undefined : file;
}

function parseCompletionCommand(argv: readonly string[]): CommandLine {
  const command = createCompletionCommand();
  command.parse(argv, { from: 'user' });
  const shell = SHELLS.find((name) => name === command.args[0]);
  if (shell === undefined)
    throw new UsageError(`no completion for '${command.args[0]}' (${SHELLS.join(', ')})`);
  return { verb: 'completion', shell };
}

function parseServerCommand(name: 'serve' | 'demo', argv: readonly string[]): CommandLine {
  const command = createServerCommand(name);
  command.parse(argv, { from: 'user' });
  const port = parsePort(command.opts<{ port: string }>().port);
  return name === 'serve'
    ? { verb: 'serve', docroot: String(command.processedArgs[0]), port }
    : { verb: 'demo', port };
}

const HIGHEST_PORT = 65_535;

/** 0 lets the system choose. */
function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= HIGHEST_PORT)) {
    throw new UsageError(`invalid port '${text}'`, '--port');
  }
  return port;
}

const DEFAULT_TIMEOUT_MS: Milliseconds = 60_000;
const LONGEST_TIMEOUT_S = 86_400;

function parseControlCommand(name: ControlVerb, argv: readonly string[]): CommandLine {
  const command = createControlCommand(name);
  command.parse(argv, { from: 'user' });
  const options: ParsedControlOptions = command.opts();
  const request = controlRequest(name, command.args[0] ?? '', options);
  const sampleMs = request.verb === 'trace' ? (request.sampleMs ?? 0) : 0;
  const patienceMs = timeoutMs(options.timeout, name);
  return {
    verb: 'control',
    request,
    ...(options.output === undefined ? {} : { output: options.output }),
    ...(options.pool === undefined ? {} : { pool: options.pool }),
    socket: options.control,
    configFile: options.config,
    prefix: options.prefix,
    pidFile: options.pid,
    json: options.json ?? false,
    timeoutMs: patienceMs === undefined ? undefined : patienceMs + sampleMs,
  };
}

function controlRequest(name: ControlVerb, target: string, options: ParsedControlOptions): ControlRequest {
  if (name === 'stop') return { verb: 'stop', kind: stopKind(options) };
  return name === 'trace' ? traceRequest(target, options) : { verb: name };
}

const DEFAULT_HZ = 99;

function traceRequest(target: string, { sample, hz, output }: ParsedControlOptions): ControlRequest {
  if (output !== undefined && sample === undefined)
    throw new UsageError('--output is for --sample', '--output');
  const perSecond = hz === undefined ? DEFAULT_HZ : Number(hz);
  if (!(perSecond > 0 && perSecond <= MOST_HZ)) {
    throw new UsageError(`invalid number of looks '${hz}' (up to ${MOST_HZ})`, '--hz');
  }
  return {
    verb: 'trace',
    target,
    hz: perSecond,
    ...(sample === undefined ? {} : { sampleMs: sampleMs(sample) }),
  };
}

const MILLISECONDS: Readonly<Record<string, Milliseconds>> = { ms: 1, s: 1000, m: 60_000 };

function sampleMs(text: string): Milliseconds {
  const [, number, unit = 's'] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m)?$/.exec(text) ?? [];
  const ms = Number(number) * (MILLISECONDS[unit] ?? 0);
  if (!(ms > 0 && ms <= LONGEST_SAMPLE_MS)) {
    throw new UsageError(`invalid time '${text}' (up to ${LONGEST_SAMPLE_MS / 1000} s)`, '--sample');
  }
  return ms;
}

const SHORTEST_INTERVAL_S = 0.1;
const LONGEST_INTERVAL_S = 3600;

function parseTopCommand(argv: readonly string[]): CommandLine {
  const command = createTopCommand();
  command.parse(argv, { from: 'user' });
  const options: ParsedTopOptions = command.opts();
  const { interval, sort = SORT_KEYS[0] } = options;
  const seconds =
    interval === undefined || /^[0-9]+(?:\.[0-9]+)?$/.test(interval) ? Number(interval ?? 1) : 0;
  if (!(seconds >= SHORTEST_INTERVAL_S && seconds <= LONGEST_INTERVAL_S)) {
    throw new UsageError(
      `invalid interval '${interval}' (${SHORTEST_INTERVAL_S} to ${LONGEST_INTERVAL_S} seconds)`,
      '--interval',
    );
  }
  const key = SORT_KEYS.find((known) => known === sort);
  if (key === undefined) {
    throw new UsageError(`invalid order '${sort}' (${SORT_KEYS.join(', ')})`, '--sort');
  }
  return {
    verb: 'top',
    socket: options.control,
    configFile: options.config,
    prefix: options.prefix,
    pidFile: options.pid,
    json: options.json ?? false,
    once: options.once ?? false,
    intervalMs: interval === undefined ? undefined : seconds * 1000,
    sort: key,
    filter: options.filter ?? '',
    pool: options.pool,
  };
}

function parseUnitCommand(argv: readonly string[]): CommandLine {
  const command = createUnitCommand();
  command.parse(argv, { from: 'user' });
  return { verb: 'unit', configFile: command.opts<{ config?: string }>().config };
}

function stopKind({ kill, terminate }: ParsedControlOptions): StopKind {
  if (kill) return 'kill';
  return terminate ? 'terminate' : 'finish';
}

/** 0 is no limit. The default of `stop` is none, since it waits for requests. */
function timeoutMs(text: string | undefined, name: ControlVerb): Milliseconds | undefined {
  if (text === undefined) return name === 'stop' ? undefined : DEFAULT_TIMEOUT_MS;
  const seconds = /^[0-9]+(?:\.[0-9]+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= LONGEST_TIMEOUT_S)) {
    throw new UsageError(`invalid timeout '${text}'`, '--timeout');
  }
  return seconds === 0 ? undefined : seconds * 1000;
}

function usageErrorOf(error: unknown): UsageError {
  if (error instanceof UsageError) return error;
  if (error instanceof CommanderError) {
    return new UsageError(
      error.message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/, ", did you mean '$1'?"),
    );
  }
  throw error;
}
