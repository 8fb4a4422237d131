import { type DestinationStream, pino, symbols } from 'pino';
import { wallClockUs } from '../os/clock.js';
import type { Bytes, Count } from '../units.js';
import { callerOf } from './call-place.js';
import { type Gathered, GatheredLines } from './gathered-lines.js';
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from './levels.js';
import { type DebugDetail, formatFpmLine, formatSyslogText } from './line-format.js';
import { OUTPUT_LEVEL, type OutputFrame, type OutputSource, outputFrame, said } from './output-frame.js';
import { phpMessage } from './php-message.js';
import type { LogEntry, LogSink } from './sinks.js';

/** php-fpm's lines, or one JSON object a line. */
export type LogFormat = 'fpm' | 'json';

export interface MasterLogOptions {
  /** log_level: lines below it are not written. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** log_limit: longest line of php-fpm's format, newline included. JSON lines are never cut. */
  readonly limit: Bytes;
  readonly sink: LogSink;
  /** log_buffering: pieces of a worker's line are put together before they are written. Default true. */
  readonly buffersOutput?: boolean;
}

/** The master's log. Every method writes before it returns, and none throws. */
export interface MasterLog extends Logger {
  /** Changes the options given, from the next line on. The old sink stays open: whoever made it closes it. */
  configure(changes: Partial<MasterLogOptions>): void;
  setLevel(level: LogLevel): void;
  setSink(sink: LogSink): void;
  /** Writes bytes as they are, whatever log_level and format. */
  raw(bytes: string | Uint8Array): void;
  /**
   * Writes a line that a worker printed, or a piece of it of {@link outputRoom} bytes, whatever log_level says. In
   * JSON it has `pool`, `pid` and `stream`, and its text as `message` or, if it is a JSON object itself, as `data`;
   * what PHP has logged has its own level there.
   *
   * @param text without its newline; bytes that are no UTF-8 stay as they are, but in JSON become U+FFFD
   * @param ending written behind the decoration
   */
  output(source: OutputSource, text: Uint8Array, ending?: string): void;
  /** How many bytes of a worker's text one line has room for. */
  outputRoom(source: OutputSource): Bytes;
  /**
   * Calls `act`, and writes the output of workers that it logs in as few pieces as possible, with one time, at the
   * latest when it returns. The order of all lines stays.
   */
  together(act: () => void): void;
  /** With `log_buffering = no`: what to write before and after a text that goes out by {@link raw} as it comes. */
  outputFrame(source: OutputSource): OutputFrame | undefined;
}

type Method = (message: string, fields?: LogFields) => void;

/** pino wants a number for each level; only their order counts. */
const PINO_LEVELS = Object.fromEntries(LOG_LEVELS.map((level, index) => [level, (index + 1) * 10])) as Record<
  LogLevel,
  number
>;
/** In JSON a longer line of a worker is cut into pieces, each an object of its own. */
const LONGEST_JSON_OUTPUT: Bytes = 256 * 1024;
const NEWLINE = '\n';
const NEWLINE_BYTE = 0x0a;

/**
 * A log with php-fpm's levels: pino filters by level and builds the JSON; its destination here chooses the format and
 * hands the line to the sink.
 */
export function createMasterLog(initial: MasterLogOptions): MasterLog {
  let options = initial;
  // The call of a log method sets both; pino calls the destination before it returns.
  let timeUs = 0;
  let debug: DebugDetail | undefined;

  let isGathering = false;
  const writeGathered = (gathered: Gathered | undefined): void => {
    if (gathered === undefined) return;
    const { bytes, lines, syslogText } = gathered;
    options.sink.write({ level: undefined, threshold: options.level, line: bytes, lines, syslogText });
  };
  const gathered = new GatheredLines(writeGathered);

  /** Writes every line but the output of workers. */
  const emit = (entry: Omit<LogEntry, 'threshold'>): void => {
    writeGathered(gathered.take());
    options.sink.write({ ...entry, threshold: options.level });
  };

  const emitOutput = (pieces: readonly Uint8Array[], lines: Count, syslogText: () => string): void => {
    gathered.add(pieces, lines, options.sink.isSyslog ? syslogText() : '');
    if (isGathering) return;
    writeGathered(gathered.take());
    tellLostLines();
  };

  const destination: PinoDestination = {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 0,
    lastMsg: undefined,
    lastLogger: undefined,
    write(json) {
      const level = LOG_LEVELS[this.lastLevel / 10 - 1] ?? 'alert';
      if (options.format === 'json') {
        if (this.lastLogger === outputLogger) emitOutput([Buffer.from(json)], 1, () => json);
        else emit({ level, line: Buffer.from(json), syslogText: json });
        return;
      }
      const line = { timeUs, level, message: this.lastMsg ?? '', debug };
      emit({ level, line: formatFpmLine(line, options.limit), syslogText: formatSyslogText(line) });
    },
  };

  const logger = pino<LogLevel, true>(
    {
      customLevels: PINO_LEVELS,
      useOnlyCustomLevels: true,
      level: options.level,
      base: null,
      messageKey: 'message',
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${isoTime(timeUs)}"`,
    },
    destination,
  );
  const outputLogger = logger.child({}, { level: 'debug' });

  /** Logs how many lines a sink has lost, once it works again. */
  const tellLostLines = (): void => {
    const lost = options.sink.takeLostLines?.();
    if (lost !== undefined) {
      // Alert is the level that no log_level hides.
      logger.alert(`${lost.count} lines of this log were lost: ${lost.reason}`);
    }
  };

  const methodFor = (level: LogLevel): Method => {
    const method: Method = (message, fields = {}) => {
      if (!logger.isLevelEnabled(level)) return;
      timeUs = wallClockUs();
      const isDetailed = options.level === 'debug' && options.format === 'fpm';
      debug = isDetailed ? { pid: process.pid, place: callerOf(method) } : undefined;
      logger[level](fields, message);
      tellLostLines();
    };
    return method;
  };

  const configure = (changes: Partial<MasterLogOptions>): void => {
    writeGathered(gathered.take());
    frame = undefined;
    options = { ...options, ...changes };
    logger.level = options.level;
  };

  const raw = (text: string | Uint8Array): void => {
    const bytes = Buffer.from(text as Uint8Array);
    emitOutput([bytes], bytes.at(-1) === NEWLINE_BYTE ? 1 : 0, () => bytes.toString());
  };

  let outputTimeUs = 0;
  const outputTime = (): number => (isGathering ? outputTimeUs : wallClockUs());

  /** The last frame: the many lines of one worker have the same one. */
  let frame:
    | { source: OutputSource; timeUs: number; frame: OutputFrame; head: Buffer; end: Buffer }
    | undefined;
  const frameOf = (source: OutputSource): NonNullable<typeof frame> => {
    if (isGathering && frame?.source === source && frame.timeUs === outputTimeUs) return frame;
    const time = outputTime();
    const made = outputFrame(source, { timeUs: time, threshold: options.level, limit: options.limit });
    const [head, end] = [Buffer.from(made.head), Buffer.from(`${made.tail}${NEWLINE}`)];
    frame = { source, timeUs: time, frame: made, head, end };
    return frame;
  };

  const outputJson = ({ pool, pid, stream, isDecorated }: OutputSource, line: string): void => {
    const { level, text } = phpMessage(line) ?? { level: OUTPUT_LEVEL, text: line };
    const isObject = isJsonObject(text);
    if (isObject && !isDecorated) raw(`${text}${NEWLINE}`);
    else if (!isObject) outputLogger[level]({ pool, pid, stream }, text);
    else {
      // The text is taken as the script wrote it: JSON.parse and stringify would change long numbers.
      const facts = JSON.stringify({ level, time: isoTime(timeUs), pool, pid, stream });
      raw(`${facts.slice(0, -1)},"data":${text.trim()}}${NEWLINE}`);
    }
  };

  return {
    debug: methodFor('debug'),
    notice: methodFor('notice'),
    warning: methodFor('warning'),
    error: methodFor('error'),
    alert: methodFor('alert'),
    configure,
    setLevel: (level) => configure({ level }),
    setSink: (sink) => configure({ sink }),
    raw,
    output(source, text, ending = '') {
      timeUs = outputTime();
      if (options.format === 'json') {
        outputJson(source, textOf(text));
        return;
      }
      const { frame: around, head, end } = frameOf(source);
      const suffix = around.tail === '' ? '' : ending;
      const last = suffix === '' ? end : Buffer.from(`${around.tail}${suffix}${NEWLINE}`);
      emitOutput([head, text, last], 1, () => {
        const message = `${said(source)}: "${textOf(text)}"${suffix}`;
        return around.head === ''
          ? `${textOf(text)}${NEWLINE}`
          : `${formatSyslogText({ timeUs, level: OUTPUT_LEVEL, message })}${NEWLINE}`;
      });
    },
    outputRoom: (source) => (options.format === 'json' ? LONGEST_JSON_OUTPUT : frameOf(source).frame.room),
    outputFrame(source) {
      const isPiecewise = options.buffersOutput === false && options.format === 'fpm';
      return isPiecewise ? frameOf(source).frame : undefined;
    },
    together(act) {
      if (isGathering) {
        act();
        return;
      }
      outputTimeUs = wallClockUs();
      isGathering = true;
      try {
        act();
      } finally {
        isGathering = false;
        writeGathered(gathered.take());
        tellLostLines();
      }
    },
  };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

function isoTime(timeUs: number): string {
  return new Date(Math.floor(timeUs / 1000)).toISOString();
}

function isJsonObject(text: string): boolean {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // it only begins and ends like an object
  }
}

/** What pino tells a destination that asks for it, before each write. */
interface PinoDestination extends DestinationStream {
  readonly [symbols.needsMetadataGsym]: true;
  lastLevel: number;
  lastMsg: string | undefined;
  lastLogger: unknown;
}
