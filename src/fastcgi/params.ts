import { ProtocolError } from '../errors.js';
import { FCGI_MAX_PAIR_PART_LEN } from './constants.js';

/** A name and its value, as bytes: nothing promises that they are text. Views of the bytes they came in. */
export interface Param {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** The pairs of a list that was cut at some byte. */
export interface CutParams {
  /** In the order sent. The value of the last one may be the cut one: it is then the part that is there. */
  readonly params: readonly Param[];
  /** False where the bytes end at the end of a pair. */
  readonly isCut: boolean;
}

/**
 * The pairs of one PARAMS, GET_VALUES or GET_VALUES_RESULT record (section 3.4).
 *
 * @param bytes whole pairs, as PHP wants each record to hold
 * @throws ProtocolError bytes that end inside a pair
 */
export function decodeParams(bytes: Buffer): readonly Param[] {
  const { params, isCut } = decodeCutParams(bytes);
  if (isCut) throw new ProtocolError('a FastCGI name-value pair reaches beyond its record');
  return params;
}

/**
 * Pairs that were cut at some byte, as in the scoreboard, which keeps what fits. Never throws, whatever the bytes.
 */
export function decodeCutParams(bytes: Buffer): CutParams {
  const params: Param[] = [];
  let at = 0;
  while (at < bytes.length) {
    const name = readLength(bytes, at);
    const value = name && readLength(bytes, name.end);
    if (name === undefined || value === undefined) {
      return { params, isCut: true };
    }
    const nameEnd = value.end + name.length;
    if (nameEnd > bytes.length) {
      return { params, isCut: true };
    }
    at = nameEnd + value.length;
    params.push({ name: bytes.subarray(value.end, nameEnd), value: bytes.subarray(nameEnd, at) });
  }
  return { params, isCut: at > bytes.length };
}

/**
 * The pairs by name, as text. If a name is sent twice, its last value counts, as in PHP.
 *
 * @param encoding how the bytes are read; `latin1` loses nothing, `utf8` is for display
 */
export function paramsByName(
  params: Iterable<Param>,
  encoding: 'utf8' | 'latin1' = 'utf8',
): Map<string, string> {
  const byName = new Map<string, string>();
  for (const { name, value } of params) byName.set(name.toString(encoding), value.toString(encoding));
  return byName;
}

/** One byte below 128, else four bytes less their top bit. Undefined where the bytes end before the length does. */
function readLength(bytes: Buffer, at: number): { length: number; end: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) {
    return { length: first, end: at + 1 };
  }
  if (at + 4 > bytes.length) return undefined;
  return { length: bytes.readUInt32BE(at) & FCGI_MAX_PAIR_PART_LEN, end: at + 4 };
}
