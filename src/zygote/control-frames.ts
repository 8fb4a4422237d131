import { ProtocolError } from '../errors.js';
import {
  nativeInt32,
  readInt32,
  readUInt16,
  readUInt32,
  writeUInt16,
  writeUInt32,
} from '../os/native-integers.js';
import type { Bytes, Pid } from '../units.js';

// The constants of runtime/control.h, which explains the channel; a test compares both.

export const CONTROL_VERSION = 2;
export const FRAME_HEADER_SIZE = 16;
export const OUTPUT_CHUNK: Bytes = 8192;

export const FRAME_FIELDS = { length: 0, type: 4, version: 6, slot: 8, pid: 12 } as const;

/** `enum tsfpm_frame_type` */
export const FRAME_TYPES = {
  READY: 1,
  FORKED: 2,
  FORK_FAILED: 3,
  EXITED: 4,
  OUTPUT: 5,
  TAKEN: 6,
  ASKED: 7,
  STARTED: 8,
  ECHOED: 9,
  CANNOT_FORK: 10,
  CONFIGURE: 16,
  FORK: 17,
  DRAIN: 18,
  RETIRE: 20,
  ARM: 21,
  ANSWER: 22,
  FORK_PROBE: 23,
  ECHO: 24,
  FORK_ZYGOTE: 25,
  FORK_TEMPLATE: 26,
  LOGGED: 30,
  LOGS_READ: 31,
  KEEPER: 32,
  KEEPER_WANTED: 33,
  ERRAND: 34,
} as const;

/** `TSFPM_TIME_OUT_SIGNAL` */
export const TIME_OUT_SIGNAL = 61;

/** `enum tsfpm_setting_key` */
export const SETTING_KEYS = {
  POOL: 1,
  UID: 2,
  GID: 3,
  GROUPS: 4,
  USER: 5,
  RLIMIT_FILES: 6,
  RLIMIT_CORE: 7,
  PRIORITY: 8,
  DUMPABLE: 9,
  CHROOT: 10,
  CHDIR: 11,
  ZYGOTE_TITLE: 12,
  WORKER_TITLE: 13,
  ENV: 14,
  ADMIN_VALUE: 15,
  STATUS_PATH: 16,
  PING_PATH: 17,
  LIMIT_EXTENSIONS: 18,
  ALLOWED_CLIENTS: 19,
  LOG_FIELD: 20,
  CATCH_OUTPUT: 21,
  APPARMOR_HAT: 40,
  SOFT_FILES: 41,
  TIME_ZONES: 42,
  LOG_LEVEL: 43,
  VALUE: 44,
  MAX_REQUESTS: 45,
  DROP_GONE: 50,
} as const;

/** `enum tsfpm_question_kind` */
export const QUESTION_KINDS = {
  TAKEN: 0,
  PING: 1,
  STATUS: 2,
  GET_STATUS: 3,
  STARTED: 4,
  LOGGED: 10,
  KEEPER_WANTED: 12,
  KEEPER: 13,
} as const;

const QUESTION_SIZE = 8;
const LONGEST_QUESTION = 1024;
const LONGEST_VERSION = 64;
const LONGEST_REASON = 512;

/** Descriptors of the spawned process, `enum tsfpm_descriptor`: their order in the list given to spawn. */
export const DESCRIPTORS = { STAND_IN: 0, CONTROL: 3, SCOREBOARD: 4, LISTEN: 5, LIBRARY: 6 } as const;

/** `struct tsfpm_errand_answer` */
export const ERRAND_MAGIC = 0x44525245;
export const ERRAND_HEAD_SIZE: Bytes = 8;

/** `TSFPM_ENV_MARK` */
export const ENV_MARK = 'TSFPM_RUNTIME';
/** `TSFPM_ENV_SAPI_NAME` */
export const ENV_SAPI_NAME = 'TSFPM_SAPI_NAME';
/** `TSFPM_ENV_TEMPLATE` */
export const ENV_TEMPLATE = 'TSFPM_TEMPLATE';

export type OutputStream = 'stdout' | 'stderr';

/** What a zygote reports. */
export type ZygoteMessage =
  | { readonly type: 'ready'; readonly php: PhpFacts }
  /** A template sends this instead of `ready`. */
  | { readonly type: 'cannot fork'; readonly reason: string }
  /** Its answer to an ECHO. */
  | { readonly type: 'echoed' }
  | { readonly type: 'forked'; readonly slot: number; readonly pid: Pid }
  | { readonly type: 'fork failed'; readonly slot: number; readonly errno: number }
  | {
      readonly type: 'exited';
      readonly slot: number;
      readonly pid: Pid;
      /** A status of wait(2). */
      readonly waitStatus: number;
      /** Requests that it had begun, by its own account. */
      readonly accepted: number;
    }
  | {
      readonly type: 'output';
      readonly slot: number;
      readonly pid: Pid;
      readonly stream: OutputStream;
      readonly bytes: Buffer;
    }
  /** Something is in the rings of finished requests; sent once for each LOGS_READ. */
  | { readonly type: 'logged' }
  /** A client keeps its connection, and the zygote knows no keeper; sent once. */
  | { readonly type: 'keeper wanted' }
  /** The worker has reached accept for the first time. */
  | { readonly type: 'started'; readonly slot: number; readonly pid: Pid }
  /** Fewer workers are idle than was asked for; sent once for each ARM. */
  | { readonly type: 'taken' }
  | { readonly type: 'asked'; readonly slot: number; readonly pid: Pid; readonly question: Question };

/** What a zygote reports of its PHP. */
export interface PhpFacts {
  readonly version: string;
  /** php.ini's `expose_php` */
  readonly isExposed: boolean;
  /** Every ini file that was read, php.ini first. */
  readonly iniFiles: readonly string[];
}

/** What a worker asks the master. Hostile input: its zygote passes it on unchecked. */
export interface Question {
  readonly kind: 'ping' | 'status' | 'get status';
  readonly isHead: boolean;
  /** Comes back with the answer. */
  readonly id: number;
  /** For a status page: the query string, as the client sent it. */
  readonly text: Buffer;
}

/** One setting of a CONFIGURE: strings as UTF-8, numbers as they are in C. */
export interface Setting {
  readonly key: keyof typeof SETTING_KEYS;
  readonly value: Buffer;
}

export function encodeFrame(
  type: keyof typeof FRAME_TYPES,
  about: { slot?: number; pid?: Pid } = {},
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_SIZE + payload.length);
  writeUInt32(frame, payload.length, FRAME_FIELDS.length);
  writeUInt16(frame, FRAME_TYPES[type], FRAME_FIELDS.type);
  writeUInt16(frame, CONTROL_VERSION, FRAME_FIELDS.version);
  nativeInt32(about.slot ?? -1).copy(frame, FRAME_FIELDS.slot);
  nativeInt32(about.pid ?? 0).copy(frame, FRAME_FIELDS.pid);
  payload.copy(frame, FRAME_HEADER_SIZE);
  return frame;
}

/** The payload of a CONFIGURE. */
export function encodeSettings(settings: readonly Setting[]): Buffer {
  return Buffer.concat(
    settings.flatMap(({ key, value }) => {
      const head = Buffer.alloc(8);
      writeUInt16(head, SETTING_KEYS[key], 0);
      writeUInt32(head, value.length, 4);
      return [head, value];
    }),
  );
}

/** No zygote sends a longer frame: one is refused before any of its payload is stored. */
const LONGEST_PAYLOAD = OUTPUT_CHUNK + 1;

/** Cuts a zygote's stream into messages. Holds at most one frame. */
export class ZygoteMessageDecoder {
  #pending: Buffer = Buffer.alloc(0);

  /**
   * @returns the messages that are complete now
   * @throws ProtocolError for anything that a zygote never sends
   */
  push(chunk: Buffer): ZygoteMessage[] {
    const bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const messages: ZygoteMessage[] = [];
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_SIZE) {
      const length = readUInt32(bytes, at + FRAME_FIELDS.length);
      if (length > LONGEST_PAYLOAD) throw new ProtocolError(`a frame of ${length} bytes`);
      const end = at + FRAME_HEADER_SIZE + length;
      if (bytes.length < end) break;
      messages.push(
        decodeMessage(
          bytes.subarray(at, at + FRAME_HEADER_SIZE),
          bytes.subarray(at + FRAME_HEADER_SIZE, end),
        ),
      );
      at = end;
    }
    this.#pending = Buffer.from(bytes.subarray(at));
    return messages;
  }
}

function decodeMessage(header: Buffer, payload: Buffer): ZygoteMessage {
  const version = readUInt16(header, FRAME_FIELDS.version);
  if (version !== CONTROL_VERSION) throw new ProtocolError(`control protocol version ${version}`);
  const slot = readInt32(header, FRAME_FIELDS.slot);
  const pid = readInt32(header, FRAME_FIELDS.pid);
  const type = readUInt16(header, FRAME_FIELDS.type);
  switch (type) {
    case FRAME_TYPES.READY:
      expectSize(payload, 'READY', payload.length > 0);
      return { type: 'ready', php: decodeFacts(payload) };
    case FRAME_TYPES.CANNOT_FORK:
      expectSize(payload, 'CANNOT_FORK', payload.length > 0 && payload.length <= LONGEST_REASON);
      return { type: 'cannot fork', reason: payload.toString('utf8') };
    case FRAME_TYPES.ECHOED:
      expectSize(payload, 'ECHOED', payload.length === 0);
      return { type: 'echoed' };
    case FRAME_TYPES.FORKED:
      expectSize(payload, 'FORKED', payload.length === 0);
      return { type: 'forked', slot, pid };
    case FRAME_TYPES.FORK_FAILED:
      expectSize(payload, 'FORK_FAILED', payload.length === 4);
      return { type: 'fork failed', slot, errno: readInt32(payload, 0) };
    case FRAME_TYPES.EXITED:
      expectSize(payload, 'EXITED', payload.length === 8);
      return {
        type: 'exited',
        slot,
        pid,
        waitStatus: readInt32(payload, 0),
        accepted: readUInt32(payload, 4),
      };
    case FRAME_TYPES.OUTPUT: {
      const descriptor = payload[0];
      if (descriptor !== 1 && descriptor !== 2) throw new ProtocolError(`output of descriptor ${descriptor}`);
      return {
        type: 'output',
        slot,
        pid,
        stream: descriptor === 1 ? 'stdout' : 'stderr',
        bytes: Buffer.from(payload.subarray(1)),
      };
    }
    case FRAME_TYPES.TAKEN:
      expectSize(payload, 'TAKEN', payload.length === 0);
      return { type: 'taken' };
    case FRAME_TYPES.LOGGED:
      expectSize(payload, 'LOGGED', payload.length === 0);
      return { type: 'logged' };
    case FRAME_TYPES.KEEPER_WANTED:
      expectSize(payload, 'KEEPER_WANTED', payload.length === 0);
      return { type: 'keeper wanted' };
    case FRAME_TYPES.STARTED:
      expectSize(payload, 'STARTED', payload.length === 0);
      return { type: 'started', slot, pid };
    case FRAME_TYPES.ASKED:
      expectSize(payload, 'ASKED', payload.length >= QUESTION_SIZE && payload.length <= LONGEST_QUESTION);
      return { type: 'asked', slot, pid, question: decodeQuestion(payload) };
    default:
      throw new ProtocolError(`a frame of unknown type ${type}`);
  }
}

function expectSize(payload: Buffer, name: string, isRight: boolean): void {
  if (!isRight) throw new ProtocolError(`${name} with ${payload.length} bytes of payload`);
}

function decodeFacts(payload: Buffer): PhpFacts {
  const [version = '', file = '', scanned = ''] = payload.toString('utf8', 1).split('\0');
  if (version.length > LONGEST_VERSION)
    throw new ProtocolError(`READY with ${version.length} characters of version`);
  const iniFiles = [file, ...scanned.split(/[,\n]+/)]
    .map((path) => path.trim())
    .filter((path) => path !== '');
  return { version, isExposed: payload[0] !== 0, iniFiles };
}

function decodeQuestion(payload: Buffer): Question {
  const kind = QUESTION_NAMES.get(payload[0] ?? -1);
  if (kind === undefined) throw new ProtocolError(`a question of kind ${payload[0]}`);
  return {
    kind,
    isHead: payload[1] !== 0,
    id: readUInt32(payload, 4),
    text: Buffer.from(payload.subarray(QUESTION_SIZE)),
  };
}

const QUESTION_NAMES: ReadonlyMap<number, Question['kind']> = new Map([
  [QUESTION_KINDS.PING, 'ping'],
  [QUESTION_KINDS.STATUS, 'status'],
  [QUESTION_KINDS.GET_STATUS, 'get status'],
]);
