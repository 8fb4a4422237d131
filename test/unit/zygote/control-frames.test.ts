import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.js';
import {
  CONTROL_VERSION,
  encodeFrame,
  encodeSettings,
  FRAME_TYPES,
  OUTPUT_CHUNK,
  SETTING_KEYS,
  type ZygoteMessage,
  ZygoteMessageDecoder,
} from '../../../src/zygote/control-frames.js';

// A second, naive builder: the bytes as the C compiler lays them out on this machine.
const u32 = (value: number) => [...new Uint8Array(Uint32Array.of(value).buffer)];
const u16 = (value: number) => [...new Uint8Array(Uint16Array.of(value).buffer)];

interface Parts {
  readonly type: number;
  readonly slot?: number;
  readonly pid?: number;
  readonly payload?: readonly number[];
  readonly length?: number;
  readonly version?: number;
}

function bytesOf({ type, slot = -1, pid = 0, payload = [], length, version }: Parts): number[] {
  return [
    ...u32(length ?? payload.length),
    ...u16(type),
    ...u16(version ?? CONTROL_VERSION),
    ...u32(slot >>> 0),
    ...u32(pid >>> 0),
    ...payload,
  ];
}

const decode = (...chunks: (readonly number[])[]): ZygoteMessage[] => {
  const decoder = new ZygoteMessageDecoder();
  return chunks.flatMap((chunk) => decoder.push(Buffer.from(chunk)));
};

const text = (value: string) => [...Buffer.from(value)];

const CONVERSATION: readonly (readonly [number[], ZygoteMessage])[] = [
  [bytesOf({ type: FRAME_TYPES.FORKED, slot: 0, pid: 77 }), { type: 'forked', slot: 0, pid: 77 }],
  [
    bytesOf({ type: FRAME_TYPES.FORK_FAILED, slot: 3, payload: u32(11) }),
    { type: 'fork failed', slot: 3, errno: 11 },
  ],
  [
    bytesOf({ type: FRAME_TYPES.OUTPUT, slot: 0, pid: 77, payload: [2, ...text('hé\n')] }),
    { type: 'output', slot: 0, pid: 77, stream: 'stderr', bytes: Buffer.from('hé\n') },
  ],
  [
    bytesOf({ type: FRAME_TYPES.OUTPUT, slot: 0, pid: 77, payload: [1] }),
    { type: 'output', slot: 0, pid: 77, stream: 'stdout', bytes: Buffer.alloc(0) },
  ],
  [
    bytesOf({ type: FRAME_TYPES.EXITED, slot: 0, pid: 77, payload: [...u32(139), ...u32(0xffff_ffff)] }),
    { type: 'exited', slot: 0, pid: 77, waitStatus: 139, accepted: 0xffff_ffff },
  ],
];
const BYTES = CONVERSATION.flatMap(([bytes]) => bytes);
const MESSAGES = CONVERSATION.map(([, message]) => message);

test('a conversation is read as it was said', () => {
  assert.deepEqual(decode(BYTES), MESSAGES);
});

test('a conversation cut at any byte, and byte by byte, is read the same', () => {
  for (let at = 0; at <= BYTES.length; at++)
    assert.deepEqual(decode(BYTES.slice(0, at), BYTES.slice(at)), MESSAGES, `cut at ${at}`);
  assert.deepEqual(decode(...BYTES.map((byte) => [byte])), MESSAGES);
});

test('messages hold copies: a buffer that is used again does not change them', () => {
  const chunk = Buffer.from(CONVERSATION[2]?.[0] ?? []);
  const [message] = new ZygoteMessageDecoder().push(chunk);
  chunk.fill(0);
  assert.deepEqual(message, MESSAGES[2]);
});

const LIES: readonly (readonly [string, Parts, RegExp])[] = [
  [
    'a length beyond any frame',
    { type: FRAME_TYPES.OUTPUT, length: 0xffff_ffff },
    /a frame of 4294967295 bytes/,
  ],
  ['a length one beyond', { type: FRAME_TYPES.OUTPUT, length: 1 << 24 }, /a frame of 16777216 bytes/],
  ['another version', { type: FRAME_TYPES.FORKED, version: CONTROL_VERSION + 1 }, /control protocol version/],
  ['an unknown type', { type: 4711 }, /unknown type 4711/],
  ['type 0', { type: 0 }, /unknown type 0/],
  ['a command of the master', { type: FRAME_TYPES.FORK, slot: 0 }, /unknown type/],
  ['FORKED with a payload', { type: FRAME_TYPES.FORKED, payload: [1] }, /FORKED with 1 bytes/],
  ['FORK_FAILED without errno', { type: FRAME_TYPES.FORK_FAILED }, /FORK_FAILED with 0 bytes/],
  ['EXITED too short', { type: FRAME_TYPES.EXITED, payload: u32(0) }, /EXITED with 4 bytes/],
  ['EXITED too long', { type: FRAME_TYPES.EXITED, payload: Array(9).fill(0) }, /EXITED with 9 bytes/],
  [
    'READY with a version as long as a book',
    { type: FRAME_TYPES.READY, payload: Array(200).fill(56) },
    /READY with 199 characters of version/,
  ],
  ['output of no descriptor', { type: FRAME_TYPES.OUTPUT }, /output of descriptor undefined/],
  ['output of descriptor 3', { type: FRAME_TYPES.OUTPUT, payload: [3, 65] }, /output of descriptor 3/],
];

for (const [name, parts, message] of LIES)
  test(`${name} breaks the protocol`, () => {
    assert.throws(
      () => decode(bytesOf(parts)),
      (error) => error instanceof ProtocolError && message.test(error.message),
    );
  });

test('a length beyond any frame is refused before a byte of it is stored', () => {
  const head = bytesOf({ type: FRAME_TYPES.OUTPUT, length: OUTPUT_CHUNK * 100 });
  assert.throws(() => decode(head), ProtocolError);
});

test('the largest output that a zygote sends is read', () => {
  const payload = [1, ...Array<number>(OUTPUT_CHUNK).fill(65)];
  const [message] = decode(bytesOf({ type: FRAME_TYPES.OUTPUT, slot: 1, pid: 2, payload }));
  assert.ok(message?.type === 'output' && message.bytes.length === OUTPUT_CHUNK);
});

test('slots and pids are read as signed, for the master to refuse', () => {
  const [message] = decode(bytesOf({ type: FRAME_TYPES.FORKED, slot: -5, pid: -1 }));
  assert.deepEqual(message, { type: 'forked', slot: -5, pid: -1 });
});

test('random bytes give messages or a ProtocolError, never anything else', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 6 }), (chunks) => {
      const decoder = new ZygoteMessageDecoder();
      try {
        for (const chunk of chunks) decoder.push(Buffer.from(chunk));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
  );
});

test('frames of random fields under a right header do the same', () => {
  const frame = fc.record({
    type: fc.constantFrom(...Object.values(FRAME_TYPES)),
    slot: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    pid: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    payload: fc.array(fc.nat(255), { maxLength: 30 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), fc.nat(50), (parts, at) => {
      const bytes = parts.flatMap((part) => bytesOf(part));
      try {
        decode(bytes.slice(0, at), bytes.slice(at));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }),
  );
});

test('commands are encoded as C lays them out', () => {
  assert.deepEqual([...encodeFrame('FORK', { slot: 6 })], bytesOf({ type: FRAME_TYPES.FORK, slot: 6 }));
  assert.deepEqual([...encodeFrame('DRAIN')], bytesOf({ type: FRAME_TYPES.DRAIN }));
  assert.deepEqual(
    [...encodeFrame('ANSWER', { slot: 1, pid: 99 }, Buffer.from(u32(9)))],
    bytesOf({ type: FRAME_TYPES.ANSWER, slot: 1, pid: 99, payload: u32(9) }),
  );
});

test('settings follow one another, each with its key and length', () => {
  const encoded = encodeSettings([
    { key: 'POOL', value: Buffer.from('www') },
    { key: 'ENV', value: Buffer.alloc(0) },
  ]);
  assert.deepEqual(
    [...encoded],
    [...u16(SETTING_KEYS.POOL), 0, 0, ...u32(3), ...text('www'), ...u16(SETTING_KEYS.ENV), 0, 0, ...u32(0)],
  );
});
