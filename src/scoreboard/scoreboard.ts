import { closeSync, readSync, writeSync } from 'node:fs';
import { createMemoryFile } from '../os/memory-file.js';
import {
  nativeInt32,
  readInt32,
  readUInt32,
  readUInt64,
  writeUInt32,
  writeUInt64,
} from '../os/native-integers.js';
import type { Bytes, Count, Fd, Nanoseconds, Pid } from '../units.js';
import {
  DURATION_BUCKETS,
  type Field,
  HEADER_FIELDS,
  HEADER_SIZE,
  PARAMS_SIZE,
  SCOREBOARD_MAGIC,
  SCOREBOARD_VERSION,
  SLOT_FIELDS,
  SLOT_SIZE,
  STAGES,
  STATUS_CLASSES,
  type Stage,
} from './layout.js';
import { logAreaSize } from './log-rings.js';

/** What one worker writes of itself. Hostile input: a script may write anything into its slot. */
export interface SlotSnapshot {
  readonly slot: number;
  readonly pid: Pid;
  readonly stage: Exclude<Stage, 'free'>;
  readonly startNs: Nanoseconds;
  readonly startEpochUs: bigint;
  /** Requests begun, the present one included. */
  readonly accepted: bigint;
  readonly finished: bigint;
  readonly requestStartNs: Nanoseconds;
  readonly requestStartEpochUs: bigint;
  readonly requestDurationNs: Nanoseconds;
  readonly requestCpuNs: Nanoseconds;
  /** Peak of the last finished request, in bytes. */
  readonly requestMemory: bigint;
  readonly memoryPeak: bigint;
  readonly idleSinceNs: Nanoseconds;
  readonly sums: RequestSums;
  /** FastCGI name-value pairs of the present or last request, cut to what fits. */
  readonly params: Buffer;
  readonly isParamsCut: boolean;
  /** The present or last request asked for a script that does not exist, as requests for the status page do. */
  readonly hasNoScript: boolean;
}

/** The part of a {@link SlotSnapshot} that tells how long a request has been running. */
export type SlotGlance = Pick<SlotSnapshot, 'stage' | 'requestStartNs' | 'idleSinceNs'>;

/** What is counted of requests that have ended. */
export interface RequestSums {
  readonly durationNs: Nanoseconds;
  /** One number for each of DURATION_BOUNDS_S, and one for what took longer than all. */
  readonly durationBuckets: readonly bigint[];
  /** Processor time, user and system. */
  readonly cpuNs: Nanoseconds;
  /** One number for each of STATUS_CLASSES. */
  readonly statusClasses: readonly bigint[];
}

/** The header: sums over workers that have ended, and counts that the living ones share. */
export interface HeaderSnapshot {
  readonly pastAccepted: bigint;
  readonly pastFinished: bigint;
  readonly pastMemoryPeak: bigint;
  readonly pastSums: RequestSums;
  /** Workers inside accept. */
  readonly idle: Count;
  /** Workers on a kept-alive connection without a request. */
  readonly waiting: Count;
  /** Workers that have reached accept at least once. */
  readonly ready: Count;
  /** The most workers that had a request at once. */
  readonly maxActive: Count;
  /** The fewest idle workers since {@link Scoreboard.restartLowestIdle}. */
  readonly lowestIdle: Count;
  /** Clients that had left the listen queue before a worker took them. */
  readonly gone: bigint;
}

/** How often a slot is read again while its owner is writing, before it is given up for this time. */
const SNAPSHOT_TRIES = 5;

/** The shared memory of one generation: made by the master, written by its zygote and workers. */
export class Scoreboard {
  readonly fd: Fd;
  readonly slotCount: Count;
  readonly #slot = Buffer.alloc(SLOT_SIZE);
  readonly #header = Buffer.alloc(HEADER_FIELDS.gone.offset + 8);
  readonly #glance = Buffer.alloc(SLOT_FIELDS.params_length.offset);
  readonly #again = Buffer.alloc(SLOT_FIELDS.stage.offset);

  /**
   * @param name shown in /proc/PID/maps
   * @param logRingSize of each ring of finished requests, see log-rings.ts; 0: there are none
   * @throws SystemError when the machine has no memory or descriptor for it
   */
  constructor(name: string, slotCount: Count, logRingSize: Bytes = 0) {
    const size = HEADER_SIZE + slotCount * SLOT_SIZE + logAreaSize(slotCount, logRingSize);
    this.fd = createMemoryFile(name, size);
    this.slotCount = slotCount;
    const header = Buffer.alloc(64);
    writeUInt32(header, SCOREBOARD_MAGIC, HEADER_FIELDS.magic.offset);
    writeUInt32(header, SCOREBOARD_VERSION, HEADER_FIELDS.version.offset);
    writeUInt64(header, BigInt(size), HEADER_FIELDS.total_size.offset);
    writeUInt32(header, SLOT_SIZE, HEADER_FIELDS.slot_size.offset);
    writeUInt32(header, slotCount, HEADER_FIELDS.slot_count.offset);
    writeUInt32(header, logRingSize, HEADER_FIELDS.log_ring_size.offset);
    try {
      writeSync(this.fd, header, 0, header.length, 0);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  /** A whole copy of one slot, or undefined while it is free or its owner keeps writing. */
  snapshot(slot: number): SlotSnapshot | undefined {
    const position = HEADER_SIZE + slot * SLOT_SIZE;
    const bytes = this.#slot;
    for (let attempt = 0; attempt < SNAPSHOT_TRIES; attempt++) {
      readSync(this.fd, bytes, 0, SLOT_SIZE, position);
      const sequence = readUInt32(bytes, SLOT_FIELDS.sequence.offset);
      if (sequence % 2 !== 0) continue;
      readSync(this.fd, this.#again, 0, this.#again.length, position);
      if (readUInt32(this.#again, SLOT_FIELDS.sequence.offset) === sequence) return decodeSlot(slot, bytes);
    }
    return undefined;
  }

  /** A short {@link snapshot}, without the request: cheap enough to be called often. */
  glance(slot: number): SlotGlance | undefined {
    const position = HEADER_SIZE + slot * SLOT_SIZE;
    const bytes = this.#glance;
    for (let attempt = 0; attempt < SNAPSHOT_TRIES; attempt++) {
      readSync(this.fd, bytes, 0, bytes.length, position);
      const sequence = readUInt32(bytes, SLOT_FIELDS.sequence.offset);
      if (sequence % 2 !== 0) continue;
      readSync(this.fd, this.#again, 0, this.#again.length, position);
      if (readUInt32(this.#again, SLOT_FIELDS.sequence.offset) !== sequence) continue;
      const stage = STAGES[readUInt32(bytes, SLOT_FIELDS.stage.offset)];
      if (stage === undefined || stage === 'free') return undefined;
      return {
        stage,
        requestStartNs: readUInt64(bytes, SLOT_FIELDS.request_start_ns.offset),
        idleSinceNs: readUInt64(bytes, SLOT_FIELDS.idle_since_ns.offset),
      };
    }
    return undefined;
  }

  /** Workers write these counts: they are bounded by 0 and the number of slots, but not to be trusted further. */
  header(): HeaderSnapshot {
    const bytes = this.#header;
    readSync(this.fd, bytes, 0, bytes.length, 0);
    const count = (field: Field) => Math.min(Math.max(readInt32(bytes, field.offset), 0), this.slotCount);
    return {
      pastAccepted: readUInt64(bytes, HEADER_FIELDS.past_accepted.offset),
      pastFinished: readUInt64(bytes, HEADER_FIELDS.past_finished.offset),
      pastMemoryPeak: readUInt64(bytes, HEADER_FIELDS.past_memory_peak.offset),
      pastSums: decodeSums(bytes, PAST_SUMS),
      idle: count(HEADER_FIELDS.idle),
      waiting: count(HEADER_FIELDS.waiting),
      ready: count(HEADER_FIELDS.ready),
      maxActive: count(HEADER_FIELDS.max_active),
      lowestIdle: count(HEADER_FIELDS.lowest_idle),
      gone: readUInt64(bytes, HEADER_FIELDS.gone.offset),
    };
  }

  /**
   * Begins to count anew. If a worker writes its count at the same moment, the next reading may be a little too high.
   */
  restartLowestIdle(): void {
    this.#note(this.slotCount, HEADER_FIELDS.lowest_idle.offset);
  }

  /** Tells all workers to end after their request. The zygote writes this too, but it may be dead, or stopped. */
  drain(): void {
    this.#note(1, HEADER_FIELDS.draining.offset);
  }

  /** Whether the pool's keeper takes kept connections; that there is one the zygote tells. */
  setKeeper({ takes }: { readonly takes: boolean }): void {
    this.#note(takes ? 0 : 1, HEADER_FIELDS.is_keeper_away.offset);
  }

  /** Tells one worker to end after its request; it must not have ended yet. */
  leave(slot: number): void {
    this.#note(1, HEADER_SIZE + slot * SLOT_SIZE + SLOT_FIELDS.leave.offset);
  }

  /** Writes a hint for workers. A failure is passed over: they are told in other ways, too. */
  #note(value: number, offset: number): void {
    try {
      writeSync(this.fd, nativeInt32(value), 0, 4, offset);
    } catch {
      // ENOMEM: the zygote is told as well, and a worker that does not end is noticed
    }
  }

  close(): void {
    closeSync(this.fd);
  }
}

function decodeSlot(slot: number, bytes: Buffer): SlotSnapshot | undefined {
  const stage = STAGES[readUInt32(bytes, SLOT_FIELDS.stage.offset)];
  if (stage === undefined || stage === 'free') return undefined;
  const length = Math.min(readUInt32(bytes, SLOT_FIELDS.params_length.offset), PARAMS_SIZE);
  const params = SLOT_FIELDS.params.offset;
  return {
    slot,
    pid: readInt32(bytes, SLOT_FIELDS.pid.offset),
    stage,
    startNs: readUInt64(bytes, SLOT_FIELDS.start_ns.offset),
    startEpochUs: readUInt64(bytes, SLOT_FIELDS.start_epoch_us.offset),
    accepted: readUInt64(bytes, SLOT_FIELDS.accepted.offset),
    finished: readUInt64(bytes, SLOT_FIELDS.finished.offset),
    requestStartNs: readUInt64(bytes, SLOT_FIELDS.request_start_ns.offset),
    requestStartEpochUs: readUInt64(bytes, SLOT_FIELDS.request_start_epoch_us.offset),
    requestDurationNs: readUInt64(bytes, SLOT_FIELDS.request_duration_ns.offset),
    requestCpuNs: readUInt64(bytes, SLOT_FIELDS.request_cpu_ns.offset),
    requestMemory: readUInt64(bytes, SLOT_FIELDS.request_memory.offset),
    memoryPeak: readUInt64(bytes, SLOT_FIELDS.memory_peak.offset),
    idleSinceNs: readUInt64(bytes, SLOT_FIELDS.idle_since_ns.offset),
    sums: decodeSums(bytes, SLOT_SUMS),
    params: Buffer.from(bytes.subarray(params, params + length)),
    isParamsCut: readUInt32(bytes, SLOT_FIELDS.params_total.offset) > length,
    hasNoScript: bytes[SLOT_FIELDS.has_no_script.offset] !== 0,
  };
}

interface SumFields {
  readonly durationNs: Field;
  readonly durationBuckets: Field;
  readonly cpuNs: Field;
  readonly statusClasses: Field;
}

const PAST_SUMS: SumFields = {
  durationNs: HEADER_FIELDS.past_duration_sum_ns,
  durationBuckets: HEADER_FIELDS.past_duration_buckets,
  cpuNs: HEADER_FIELDS.past_cpu_sum_ns,
  statusClasses: HEADER_FIELDS.past_status_classes,
};
const SLOT_SUMS: SumFields = {
  durationNs: SLOT_FIELDS.duration_sum_ns,
  durationBuckets: SLOT_FIELDS.duration_buckets,
  cpuNs: SLOT_FIELDS.cpu_sum_ns,
  statusClasses: SLOT_FIELDS.status_classes,
};

function decodeSums(bytes: Buffer, fields: SumFields): RequestSums {
  const many = ({ offset }: Field, length: Count) =>
    Array.from({ length }, (_, index) => readUInt64(bytes, offset + 8 * index));
  return {
    durationNs: readUInt64(bytes, fields.durationNs.offset),
    durationBuckets: many(fields.durationBuckets, DURATION_BUCKETS),
    cpuNs: readUInt64(bytes, fields.cpuNs.offset),
    statusClasses: many(fields.statusClasses, STATUS_CLASSES.length),
  };
}
