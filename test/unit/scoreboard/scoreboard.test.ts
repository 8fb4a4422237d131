import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import {
  HEADER_FIELDS,
  HEADER_SIZE,
  PARAMS_SIZE,
  SCOREBOARD_MAGIC,
  SCOREBOARD_VERSION,
  SLOT_FIELDS,
  SLOT_SIZE,
  STAGES,
} from '../../../src/scoreboard/layout.js';
import { Scoreboard, type SlotSnapshot } from '../../../src/scoreboard/scoreboard.js';

const boards: Scoreboard[] = [];
afterEach(() => {
  for (const board of boards.splice(0)) board.close();
});

function make(slots = 3): Scoreboard {
  const board = new Scoreboard('tsfpm test', slots);
  boards.push(board);
  return board;
}

const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);

/** As a worker writes, or as anybody who has mapped the file may. */
function poke(
  board: Scoreboard,
  slot: number,
  values: Partial<Record<keyof typeof SLOT_FIELDS, Uint8Array>>,
): void {
  for (const [name, bytes] of Object.entries(values)) {
    const { offset } = SLOT_FIELDS[name as keyof typeof SLOT_FIELDS];
    writeSync(board.fd, bytes, 0, bytes.length, HEADER_SIZE + slot * SLOT_SIZE + offset);
  }
}

/** Every slot in use, in slot order. */
function snapshots(board: Scoreboard): SlotSnapshot[] {
  return Array.from({ length: board.slotCount }, (_, slot) => board.snapshot(slot)).filter(
    (snapshot) => snapshot !== undefined,
  );
}

const EXECUTING = u32(STAGES.indexOf('executing'));

test('a fresh scoreboard has its header and no slot in use', () => {
  const board = make();
  assert.deepEqual(snapshots(board), []);
  const { pastAccepted, pastFinished, pastMemoryPeak } = board.header();
  assert.deepEqual([pastAccepted, pastFinished, pastMemoryPeak], [0n, 0n, 0n]);
  assert.deepEqual([SCOREBOARD_MAGIC, SCOREBOARD_VERSION > 0], [0x50465354, true]);
});

test('a slot is read as it was written, and only that slot', () => {
  const board = make();
  poke(board, 1, {
    sequence: u32(8),
    pid: u32(4242),
    stage: EXECUTING,
    accepted: u64(2n ** 53n + 1n),
    finished: u64(7n),
    request_duration_ns: u64(123_456_789_012n),
    memory_peak: u64(2n ** 64n - 1n),
    params_length: u32(5),
    params_total: u32(5),
    params: Buffer.from('a\0bcd'),
  });
  const [found, ...others] = snapshots(board);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [
      found?.slot,
      found?.pid,
      found?.stage,
      found?.accepted,
      found?.finished,
      found?.requestDurationNs,
      found?.memoryPeak,
    ],
    [1, 4242, 'executing', 2n ** 53n + 1n, 7n, 123_456_789_012n, 2n ** 64n - 1n],
  );
  assert.equal(found?.params.toString('latin1'), 'a\0bcd');
  assert.equal(found?.isParamsCut, false);
});

test('a slot whose owner is writing is left out for this time, and read the next', () => {
  const board = make();
  poke(board, 0, { sequence: u32(9), pid: u32(1), stage: EXECUTING });
  assert.equal(board.snapshot(0), undefined);
  poke(board, 0, { sequence: u32(10) });
  assert.equal(board.snapshot(0)?.pid, 1);
});

for (const [name, stage] of [
  ['free', 0],
  ['one beyond the last', STAGES.length],
  ['the largest', 0xffff_ffff],
] as const)
  test(`a stage that is ${name} makes the slot unused`, () => {
    const board = make();
    poke(board, 0, { sequence: u32(2), pid: u32(1), stage: u32(stage) });
    assert.equal(board.snapshot(0), undefined);
  });

test('a length of params beyond the slot is cut to the slot', () => {
  const board = make();
  for (const length of [PARAMS_SIZE, PARAMS_SIZE + 1, 0x7fff_ffff, 0xffff_ffff]) {
    poke(board, 2, {
      sequence: u32(2),
      stage: EXECUTING,
      params_length: u32(length),
      params_total: u32(0xffff_ffff),
    });
    const found = board.snapshot(2);
    assert.equal(found?.params.length, PARAMS_SIZE);
    assert.equal(found?.isParamsCut, true);
  }
});

test('the sums of workers that have ended are read from the header', () => {
  const board = make();
  for (const [field, value] of [
    ['past_accepted', 11n],
    ['past_finished', 10n],
    ['past_memory_peak', 2n ** 40n],
  ] as const)
    writeSync(board.fd, u64(value), 0, 8, HEADER_FIELDS[field].offset);
  const { pastAccepted, pastFinished, pastMemoryPeak } = board.header();
  assert.deepEqual([pastAccepted, pastFinished, pastMemoryPeak], [11n, 10n, 2n ** 40n]);
});

test('random bytes all over give snapshots within bounds, never an exception', () => {
  const board = make(2);
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(255)), fc.boolean(), (stream, isEven) => {
      const noise = Buffer.from([...stream.take(256)]);
      const whole = Buffer.alloc(HEADER_SIZE + 2 * SLOT_SIZE, noise);
      writeSync(board.fd, whole, 0, whole.length, 0);
      if (isEven) poke(board, 0, { sequence: u32(2), stage: u32(noise[0] ?? 0) });
      for (const { slot, params, stage } of snapshots(board))
        assert.ok(slot >= 0 && slot < 2 && params.length <= PARAMS_SIZE && STAGES.includes(stage));
      const { idle, waiting, ready, maxActive, lowestIdle } = board.header();
      for (const count of [idle, waiting, ready, maxActive, lowestIdle]) assert.ok(count >= 0 && count <= 2);
    }),
    { numRuns: 200 },
  );
});

test('the slot count is the master’s own, whatever the header says', () => {
  const board = make(3);
  writeSync(board.fd, u32(0xffff_ffff), 0, 4, HEADER_FIELDS.slot_count.offset);
  assert.equal(board.slotCount, 3);
  assert.deepEqual(snapshots(board), []);
});

test('the file cannot be made shorter or longer by whoever has it open', () => {
  const board = make(1);
  assert.throws(() => writeSync(board.fd, Buffer.alloc(1), 0, 1, HEADER_SIZE + SLOT_SIZE), { code: 'EPERM' });
});
