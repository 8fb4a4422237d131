import assert from 'node:assert/strict';
import { closeSync, readSync, writeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { HEADER_SIZE, SLOT_SIZE } from '../../../src/scoreboard/layout.js';
import {
  LOG_BOARD_SIZE,
  LOG_INDEX_SIZE,
  LOG_RECORD_SIZE,
  LOG_STAMP,
  LogRings,
  logRingsOffset,
} from '../../../src/scoreboard/log-rings.js';
import { Scoreboard } from '../../../src/scoreboard/scoreboard.js';

const RING = 4096;

/** A second, naive worker: writes records as runtime/access-log.c does, byte by byte. */
class Writer {
  head = 0n;
  readonly #fd: number;
  readonly #slots: number;
  readonly #slot: number;

  constructor(fd: number, slots: number, slot: number) {
    this.#fd = fd;
    this.#slots = slots;
    this.#slot = slot;
  }

  get #board(): number {
    return HEADER_SIZE + this.#slots * SLOT_SIZE;
  }

  get #index(): number {
    return this.#board + LOG_BOARD_SIZE + this.#slot * LOG_INDEX_SIZE;
  }

  get tail(): bigint {
    const words = new BigUint64Array(2);
    readSync(this.#fd, words, 0, 16, this.#index + 64);
    const isUntouched = words[0] === 0n && words[1] === 0n; // the zygote clears it for a worker
    if (!isUntouched) assert.equal(words[1], BigInt.asUintN(64, ~(words[0] ?? 0n)));
    return words[0] ?? 0n;
  }

  ring(offset: number, bytes: Uint8Array): void {
    const at = this.#board + logRingsOffset(this.#slots) + this.#slot * RING;
    writeSync(this.#fd, bytes, 0, bytes.length, at + offset);
  }

  publish(head: bigint, lost = 0n): void {
    this.head = head;
    writeSync(this.#fd, BigUint64Array.of(head, lost), 0, 16, this.#index);
  }

  put(body: string): boolean {
    const size = Math.ceil((LOG_RECORD_SIZE + body.length) / 8) * 8;
    const left = RING - Number(this.head % BigInt(RING));
    const filler = size > left ? left : 0;
    if (RING - Number(this.head - this.tail) < filler + size) return false;
    if (filler > 0) this.#record(filler, 1, '');
    this.#record(size, 0, body);
    return true;
  }

  #record(size: number, isFiller: number, body: string): void {
    const bytes = Buffer.alloc(size);
    const stamp = (LOG_STAMP ^ Number(BigInt.asUintN(32, this.head))) >>> 0;
    Buffer.from(Uint32Array.of(size, stamp, isFiller).buffer).copy(bytes, 0, 0, Math.min(size, 12));
    if (body !== '') bytes.write(body, LOG_RECORD_SIZE, 'latin1');
    this.ring(Number(this.head % BigInt(RING)), bytes);
    this.publish(this.head + BigInt(size));
  }
}

function make(
  t: TestContext,
  slots = 3,
): { scoreboard: Scoreboard; rings: LogRings; writerOf: (slot: number) => Writer } {
  const scoreboard = new Scoreboard('test', slots, RING);
  t.after(() => closeSync(scoreboard.fd));
  return {
    scoreboard,
    rings: new LogRings(scoreboard.fd, slots, RING),
    writerOf: (slot) => new Writer(scoreboard.fd, slots, slot),
  };
}

function takeAll(rings: LogRings, slot: number): string[] {
  const bodies: string[] = [];
  rings.readHeads();
  for (let batch = rings.take(slot); batch !== undefined; batch = rings.take(slot)) {
    const { bytes, starts, end } = batch;
    starts.forEach((start, i) => {
      const body = bytes.toString('latin1', start + LOG_RECORD_SIZE, starts[i + 1] ?? end);
      bodies.push(body.replace(/\0+$/, ''));
    });
  }
  return bodies;
}

test('records come out as they went in, around the end of the ring any number of times', (t) => {
  const { rings, writerOf } = make(t);
  const writer = writerOf(1);
  rings.open(1);
  for (let n = 0; n < 500; n++) {
    const bodies = Array.from({ length: n % 5 }, (_, i) => `${n}.${i}${'x'.repeat((n * 7 + i * 31) % 300)}`);
    for (const body of bodies) assert.ok(writer.put(body));
    assert.deepEqual(
      takeAll(rings, 1).map((body) => body.slice(0, 300)),
      bodies.map((body) => body.slice(0, 300)),
    );
    assert.equal(writer.tail, writer.head);
  }
});

test('a full ring takes no more until it is read, and nothing of it is lost', (t) => {
  const { rings, writerOf } = make(t);
  const writer = writerOf(0);
  rings.open(0);
  let count = 0;
  while (writer.put(`${count}`)) count++;
  assert.equal(count, RING / 64);
  assert.equal(takeAll(rings, 0).length, count);
  assert.ok(writer.put('again'));
  assert.deepEqual(takeAll(rings, 0), ['again']);
});

test('what a worker has lost is told once', (t) => {
  const { rings, writerOf } = make(t);
  rings.open(2);
  writerOf(2).publish(0n, 5n);
  rings.readHeads();
  assert.deepEqual([rings.takeLost(2), rings.takeLost(2)], [5, 0]);
});

test('heads that cannot be are read as nothing, and the next good record as itself', (t) => {
  const { rings, writerOf } = make(t);
  const writer = writerOf(0);
  for (const head of [2n ** 64n - 1n, 2n ** 60n, BigInt(RING + 8), 12n, 2n ** 53n]) {
    rings.open(0);
    writer.publish(head);
    assert.deepEqual(takeAll(rings, 0), [], String(head));
    assert.deepEqual(takeAll(rings, 0), [], String(head));
  }
  rings.open(0);
  writer.publish(0n);
  takeAll(rings, 0);
  writer.put('good');
  assert.deepEqual(takeAll(rings, 0), ['good']);
});

test('any bytes in a ring give records within it, and an end', (t) => {
  const { rings, writerOf } = make(t);
  const writer = writerOf(0);
  const sizes = fc.array(
    fc.tuple(fc.nat(RING / 8 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.boolean()),
  );
  fc.assert(
    fc.property(sizes, fc.nat(RING / 8), (changes, head) => {
      rings.open(0);
      for (const [place, size, isStamped] of changes) {
        const stamp = isStamped ? (LOG_STAMP ^ (place * 8)) >>> 0 : size;
        writer.ring(
          place * 8,
          new Uint8Array(Uint32Array.of(isStamped ? (size % 600) * 8 : size, stamp).buffer),
        );
      }
      writer.publish(BigInt(head * 8));
      rings.readHeads();
      for (let batch = rings.take(0); batch !== undefined; batch = rings.take(0)) {
        assert.ok(batch.end <= RING);
        for (const start of batch.starts) assert.ok(start % 8 === 0 && start + LOG_RECORD_SIZE <= batch.end);
      }
    }),
  );
});
