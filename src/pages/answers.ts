import { unreachable } from '../errors.js';
import type { Generation } from '../pool/generation.js';
import type { Pool } from '../pool/pool.js';
import { getStatus, type StatusEntries } from '../status/get-status.js';
import { encodeCgiPage, type PageSettings, pingPage } from '../status/page.js';
import type { Question } from '../zygote/control-frames.js';
import { poolStatus } from './pool-status.js';
import { statusAnswer } from './status-answer.js';

/** PHP versions from here on have the field `memory peak`. */
const MEMORY_PEAK_SINCE = 84;

/** The answer to what a worker asks: a page as a CGI answer, or the value of fpm_get_status(). */
export function answerQuestion(question: Question, pool: Pool, generation: Generation): Buffer {
  const settings = pageSettings(generation);
  const method = question.isHead ? 'HEAD' : 'GET';
  switch (question.kind) {
    case 'ping':
      return encodeCgiPage(pingPage(pool.config.pingResponse ?? 'pong', { method }, settings));
    case 'status':
      return encodeCgiPage(statusAnswer(pool, { method, query: question.text }, settings));
    case 'get status': {
      const value = getStatus(poolStatus(pool, performance.now()), settings);
      return encodeForPhp(value.pool, value.procs);
    }
    default:
      return unreachable(question.kind);
  }
}

/** What of the pool's PHP shows in its pages. */
export function pageSettings({ php }: Generation): PageSettings {
  if (php === undefined) return {};
  const [major = 0, minor = 0] = php.version.split('.').map(Number);
  return {
    hasMemoryPeak: major * 10 + minor >= MEMORY_PEAK_SINCE,
    poweredBy: php.isExposed ? `PHP/${php.version}` : undefined,
  };
}

/** runtime/get-status.c reads this: one step after another, keys in front of their values. */
const STEPS = { integer: 'l', float: 'd', string: 's', list: '[', item: '{', end: '}' } as const;

function encodeForPhp(pool: StatusEntries, procs: readonly StatusEntries[]): Buffer {
  return Buffer.concat([
    ...pool.map(encodeEntry),
    step('list', 'procs'),
    ...procs.flatMap((entries) => [step('item'), ...entries.map(encodeEntry), step('end')]),
    step('end'),
  ]);
}

function encodeEntry([key, value]: StatusEntries[number]): Buffer {
  switch (value.is) {
    case 'integer':
      return encodeInteger(key, BigInt(value.value));
    case 'time':
      return encodeInteger(key, BigInt(value.epochS));
    case 'percent':
      return Buffer.concat([step('float', key), Buffer.from(Float64Array.of(value.value).buffer)]);
    case 'word':
      return encodeString(key, Buffer.from(value.text));
    case 'request':
      return encodeString(key, value.bytes);
    default:
      return unreachable(value);
  }
}

/** A worker may have put any 64 bits there: PHP's integers are signed. */
function encodeInteger(key: string, value: bigint): Buffer {
  return Buffer.concat([
    step('integer', key),
    Buffer.from(BigInt64Array.of(BigInt.asIntN(64, value)).buffer),
  ]);
}

function encodeString(key: string, bytes: Buffer): Buffer {
  return Buffer.concat([step('string', key), Buffer.from(Uint32Array.of(bytes.length).buffer), bytes]);
}

/** The step's letter, and its key with a length in front. */
function step(kind: keyof typeof STEPS, key = ''): Buffer {
  return Buffer.concat([Buffer.from(STEPS[kind]), Buffer.of(key.length), Buffer.from(key)]);
}
