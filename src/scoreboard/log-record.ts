import type { RequestRecord } from '../accesslog/record.js';
import { IS_LITTLE_ENDIAN } from '../os/native-integers.js';
import type { Bytes, Pid } from '../units.js';

/** Records in three views of the same memory: bytes, words in native order, and Latin-1 text. */
export interface RecordBytes {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly text: string;
}

/** Who wrote the record, as the master knows it. */
export interface RecordOrigin {
  readonly pid: Pid;
  readonly parentPid: Pid;
}

// Offsets in words in `struct tsfpm_log_record` of runtime/log-ring.h.
const STATUS = 3;
const START = 4;
const DURATION = 6;
const MEMORY = 8;
const CPU_USER = 10;
const CPU_SYSTEM = 12;
const TEXTS_FROM: Bytes = 56;
const ABSENT = 0xffff;
const WORD: Bytes = 4;

const LOW = IS_LITTLE_ENDIAN ? 0 : 1;

/**
 * Reads one record. Its worker may have written anything there.
 *
 * @param start of the record, a multiple of 8 within `bytes`, with a whole head behind it
 * @param end of the record; a text that would reach beyond it is absent
 */
export function readRecord(
  { bytes, words, text }: RecordBytes,
  { start, end, textCount }: { start: number; end: number; textCount: number },
  origin: RecordOrigin,
): RequestRecord {
  const word = start / WORD;
  const wide = (at: number) => (words[word + at + LOW] ?? 0) + (words[word + at + 1 - LOW] ?? 0) * 2 ** 32;
  const texts: (string | undefined)[] = [];
  let at = start + TEXTS_FROM;
  while (texts.length < textCount) {
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1] ?? 0;
    const length = IS_LITTLE_ENDIAN ? first | (second << 8) : second | (first << 8);
    at += 2;
    if (at > end || length === ABSENT || at + length > end) {
      texts.push(undefined);
      continue;
    }
    texts.push(text.slice(at, at + length));
    at += length;
  }
  return {
    pid: origin.pid,
    parentPid: origin.parentPid,
    status: words[word + STATUS] ?? 0,
    startEpochUs: wide(START),
    durationNs: wide(DURATION),
    memoryPeak: wide(MEMORY),
    cpuUserUs: wide(CPU_USER),
    cpuSystemUs: wide(CPU_SYSTEM),
    texts,
  };
}
