import { contentLength } from '../request/content-length.js';
import { LENGTH_BYTES, METHOD_BYTES, QUERY_BYTES, SCRIPT_BYTES, URI_BYTES } from '../request/limits.js';
import { escapedControls } from '../text/harmless.js';
import { secondwise } from '../text/strftime.js';
import type { Bytes } from '../units.js';
import { FieldList, type TextOf } from './fields.js';
import { jsonLine } from './json-line.js';
import type { AccessLine } from './line.js';
import { type FormatToken, JSON_FORMAT, parseAccessFormat } from './parse-format.js';
import { peerText } from './peer.js';
import { endOf, type LogField, type RequestRecord } from './record.js';
import { suppressor } from './suppress.js';
import { userOf } from './user.js';

/** php-fpm's longest line, newline included. */
const LONGEST_LINE: Bytes = 1024;
/** How much php-fpm keeps of a pool's name. */
const POOL_BYTES: Bytes = 31;

/** `access.format` and `access.suppress_path`, compiled once. */
export interface AccessFormat {
  /** What workers note of each request. */
  readonly fields: readonly LogField[];
  /** How {@link AccessLine.text} becomes bytes. */
  readonly encoding: 'latin1' | 'utf8';
  /** @returns undefined for a request that is left out of the log */
  line(record: RequestRecord): AccessLine | undefined;
}

export interface AccessFormatOptions {
  /** A text without mistakes: see `accessFormatMistake`. */
  readonly format: string;
  readonly pool: string;
  readonly suppressPaths: readonly string[];
}

type Value = (record: RequestRecord) => string;

/** @throws Error for a format with a mistake, which the configuration never lets through */
export function compileAccessFormat({ format, pool, suppressPaths }: AccessFormatOptions): AccessFormat {
  const fields = new FieldList();
  const isSuppressed = suppressor(suppressPaths, fields);
  const isJson = format === JSON_FORMAT;
  const write = isJson ? jsonLine(fields, pool) : plainLine(format, pool, fields);
  return {
    fields: fields.finish(),
    encoding: isJson ? 'utf8' : 'latin1',
    line: (record) => (isSuppressed(record) ? undefined : write(record)),
  };
}

function plainLine(format: string, pool: string, fields: FieldList): (record: RequestRecord) => AccessLine {
  const pieces = parseAccessFormat(format);
  if ('reason' in pieces) throw new Error(pieces.reason);
  // The bytes of the configuration, as Latin-1 like those of requests.
  const asBytes = (text: string) => Buffer.from(text).toString('latin1');
  const values = pieces.map((piece): Value => {
    if (typeof piece !== 'string') return tokenValue(piece, asBytes(pool), fields);
    const text = asBytes(piece);
    return () => text;
  });
  return (record) => {
    let text = '';
    for (const value of values) text += value(record);
    if (text.length < LONGEST_LINE) return { text: `${text}\n`, isCut: false };
    return { text: `${text.slice(0, LONGEST_LINE - 1)}\n`, isCut: true };
  };
}

function tokenValue({ letter, modifier }: FormatToken, pool: string, fields: FieldList): Value {
  const orDash =
    (text: TextOf): Value =>
    (record) =>
      escapedControls(text(record) || '-');
  const orNothing =
    (text: TextOf): Value =>
    (record) =>
      escapedControls(text(record) ?? '');
  const word = modifier.toLowerCase();
  switch (letter) {
    case '%':
      return () => '%';
    case 'C':
      fields.wantsCpu = true;
      return cpuPercent(word);
    case 'd':
      return duration(word);
    case 'e':
      return presentOrDash(fields.add('PARAM', LONGEST_LINE, modifier));
    case 'f':
      return orDash(fields.add('SCRIPT', SCRIPT_BYTES));
    case 'l': {
      const text = fields.add('PARAM', LENGTH_BYTES, 'CONTENT_LENGTH');
      return (record) => contentLength(text(record)).toString();
    }
    case 'm':
      return orDash(fields.add('PARAM', METHOD_BYTES, 'REQUEST_METHOD'));
    case 'M':
      return memory(word);
    case 'n': {
      const name = pool.slice(0, POOL_BYTES) || '-';
      return () => name;
    }
    case 'o':
      return presentOrDash(fields.add('HEADER', LONGEST_LINE, modifier));
    case 'p':
      return ({ pid }) => String(pid);
    case 'P':
      return ({ parentPid }) => String(parentPid);
    case 'q':
      return orNothing(fields.add('PARAM', QUERY_BYTES, 'QUERY_STRING'));
    case 'Q': {
      const query = fields.add('PARAM', QUERY_BYTES, 'QUERY_STRING');
      return (record) => (query(record) ? '?' : '');
    }
    case 'r':
      return orNothing(fields.add('URI', URI_BYTES));
    case 'R': {
      const peer = fields.add('PEER', 16);
      return (record) => peerText(peer(record)) ?? '-';
    }
    case 's':
      return ({ status }) => String(status);
    case 't':
    case 'T':
      return time(letter, modifier === '' ? '%d/%b/%Y:%H:%M:%S %z' : modifier);
    case 'u': {
      const user = userOf(fields);
      return (record) => escapedControls(user(record));
    }
    default:
      throw new Error(`no such token: ${letter}`);
  }
}

/** An empty param is written as it is; only one that the request does not have is `-`, as in php-fpm. */
function presentOrDash(text: TextOf): Value {
  return (record) => escapedControls(text(record) ?? '-');
}

function cpuPercent(word: string): Value {
  const spentUs = (record: RequestRecord) =>
    (word === 'system' ? 0 : record.cpuUserUs) + (word === 'user' ? 0 : record.cpuSystemUs);
  return (record) =>
    record.durationNs > 0 ? ((spentUs(record) * 100_000) / record.durationNs).toFixed(2) : '0.00';
}

function duration(word: string): Value {
  if (word.startsWith('micro')) return ({ durationNs }) => Math.floor(durationNs / 1000).toString();
  const unit = word.startsWith('mil') ? 1e6 : 1e9;
  return ({ durationNs }) => (durationNs / unit).toFixed(3);
}

function memory(word: string): Value {
  const unit = word.startsWith('kilo') ? 1024 : word.startsWith('mega') ? 1024 * 1024 : 1;
  return ({ memoryPeak }) => Math.floor(memoryPeak / unit).toString();
}

function time(letter: 't' | 'T', format: string): Value {
  const text = secondwise(format);
  return letter === 't' ? ({ startEpochUs }) => text(startEpochUs) : (record) => text(endOf(record));
}
