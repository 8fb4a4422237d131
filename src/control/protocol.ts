import { ProtocolError } from '../errors.js';
import type { Bytes, Count, Milliseconds } from '../units.js';
import type { ControlResult, StopKind, TraceRequest } from './target.js';

// One request a connection, one line of JSON: {"version":1,"verb":"reload"}. The answer is lines of JSON: any number of
// {"line":"..."} as things happen, and then one {"result":{...}}, which is the end.

export const CONTROL_VERSION = 1;

const PLAIN_VERBS = ['status', 'live', 'reload', 'reopen', 'upgrade', 'upgraded', 'test'] as const;
const STOP_KINDS: readonly StopKind[] = ['finish', 'terminate', 'kill'];

export type ControlRequest =
  | { readonly verb: (typeof PLAIN_VERBS)[number] }
  | { readonly verb: 'stop'; readonly kind: StopKind }
  | ({ readonly verb: 'trace' } & TraceRequest);

export type ControlMessage = { readonly line: string } | { readonly result: ControlResult };

/** Far more than any request needs. */
export const MOST_REQUEST_BYTES: Bytes = 4096;
/** The status of some ten thousand pools. */
export const MOST_MESSAGE_BYTES: Bytes = 16 * 1024 * 1024;
/** Longest line for people; the rest is cut off. */
const MOST_LINE_CHARACTERS: Count = 8192;
/** The most lines of one answer: a broken file may have ten thousand problems. */
const MOST_LINES: Count = 1000;
const MOST_EXIT_CODE = 255;
const FAILED = 1;

export function encodeRequest(request: ControlRequest): string {
  return `${JSON.stringify({ version: CONTROL_VERSION, ...request })}\n`;
}

/** @throws ProtocolError with a message for the peer */
export function decodeRequest(line: string): ControlRequest {
  const { version, verb, kind, ...others } = parseObject(line);
  if (version !== undefined && version !== CONTROL_VERSION)
    throw new ProtocolError(`this master speaks version ${CONTROL_VERSION} of the control protocol`);
  const plain = PLAIN_VERBS.find((known) => known === verb);
  if (plain !== undefined) return { verb: plain };
  if (verb === 'trace') return { verb, ...decodeTrace(others) };
  if (verb !== 'stop') throw new ProtocolError('no such verb');
  const stop = STOP_KINDS.find((known) => known === kind);
  if (stop === undefined) throw new ProtocolError('no such kind of stop');
  return { verb, kind: stop };
}

/** Longer than any name of a pool that php-fpm shows. */
const LONGEST_TARGET: Count = 255;
export const LONGEST_SAMPLE_MS: Milliseconds = 600_000;
export const MOST_HZ: Count = 1000;

function decodeTrace({ target, sampleMs, hz }: Record<string, unknown>): TraceRequest {
  const isWithin = (value: unknown, most: number): value is number =>
    typeof value === 'number' && value > 0 && value <= most;
  if (typeof target !== 'string' || target === '' || target.length > LONGEST_TARGET)
    throw new ProtocolError('trace of nobody');
  if (sampleMs !== undefined && !isWithin(sampleMs, LONGEST_SAMPLE_MS))
    throw new ProtocolError('no such time to sample');
  if (!isWithin(hz, MOST_HZ)) throw new ProtocolError('no such number of samples');
  return { target, hz, ...(sampleMs === undefined ? {} : { sampleMs }) };
}

export function encodeMessage(message: ControlMessage): string {
  const bounded =
    'line' in message
      ? { line: cutLine(message.line) }
      : { result: { ...message.result, lines: cutLines(message.result.lines) } };
  return `${JSON.stringify(bounded, withoutBigints)}\n`;
}

/** @throws ProtocolError */
export function decodeMessage(line: string): ControlMessage {
  const message = parseObject(line);
  if (typeof message.line === 'string') return { line: message.line };
  if (isObject(message.result)) return { result: decodeResult(message.result) };
  throw new ProtocolError('neither a line nor a result');
}

/** An exit code of 0 without `ok` becomes 1, whatever the other side sends. */
function decodeResult({ ok, exitCode, lines, data }: Record<string, unknown>): ControlResult {
  if (typeof ok !== 'boolean' || !Array.isArray(lines)) throw new ProtocolError('half a result');
  const isCode =
    typeof exitCode === 'number' && Number.isInteger(exitCode) && exitCode > 0 && exitCode <= MOST_EXIT_CODE;
  return {
    ok,
    exitCode: ok ? 0 : isCode ? exitCode : FAILED,
    lines: lines.map(String),
    ...(data === undefined ? {} : { data }),
  };
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ProtocolError('no JSON');
  }
  if (!isObject(value)) throw new ProtocolError('no JSON object');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function cutLines(lines: readonly string[]): string[] {
  const cut = lines.slice(0, MOST_LINES).map(cutLine);
  return lines.length > MOST_LINES ? [...cut, `... and ${lines.length - MOST_LINES} more`] : cut;
}

function cutLine(line: string): string {
  return line.length > MOST_LINE_CHARACTERS ? `${line.slice(0, MOST_LINE_CHARACTERS)}...` : line;
}

function withoutBigints(_name: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(value)
    : String(value);
}

/** Cuts a stream into lines. Holds at most the longest line that is allowed. */
export class LineReader {
  readonly #mostBytes: Bytes;
  #pending: Buffer[] = [];
  #pendingBytes: Bytes = 0;

  /** @param mostBytes of one line, without its end */
  constructor(mostBytes: Bytes) {
    this.#mostBytes = mostBytes;
  }

  /**
   * @returns the lines that are whole now
   * @throws ProtocolError for a longer line
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(0x0a);
      const piece = end < 0 ? rest : rest.subarray(0, end);
      this.#pendingBytes += piece.length;
      if (this.#pendingBytes > this.#mostBytes)
        throw new ProtocolError(`a line of more than ${this.#mostBytes} bytes`);
      this.#pending.push(piece);
      if (end < 0) return lines;
      lines.push(Buffer.concat(this.#pending).toString());
      this.#pending = [];
      this.#pendingBytes = 0;
      rest = rest.subarray(end + 1);
    }
  }
}
