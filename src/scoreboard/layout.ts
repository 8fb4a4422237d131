/**
 * The fields of runtime/scoreboard.h. That header is the source and explains who writes what; a test compares the
 * offsets here with `offsetof` there.
 */

export const SCOREBOARD_MAGIC = 0x50465354;
export const SCOREBOARD_VERSION = 4;
export const HEADER_SIZE = 4096;
export const SLOT_SIZE = 8192;
export const PARAMS_SIZE = 7680;

/**
 * Upper bounds of the buckets that requests are counted in by duration, in seconds; one more has no bound.
 * `duration_bounds` in runtime/own-slot.c
 */
export const DURATION_BOUNDS_S = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;
export const DURATION_BUCKETS = DURATION_BOUNDS_S.length + 1;
/** What requests are counted by when they end: the first digit of their HTTP status. */
export const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx', 'unknown'] as const;

export type FieldType = 'u8' | 'u32' | 'i32' | 'u64' | 'u64 buckets' | 'u64 classes' | 'bytes';

/** Offset of a field, in bytes from the start of the header or slot that it is in. */
export interface Field {
  readonly offset: number;
  readonly type: FieldType;
}

const u8 = (offset: number) => ({ offset, type: 'u8' }) as const;
const u32 = (offset: number) => ({ offset, type: 'u32' }) as const;
const i32 = (offset: number) => ({ offset, type: 'i32' }) as const;
const u64 = (offset: number) => ({ offset, type: 'u64' }) as const;

/** `struct tsfpm_scoreboard_header` */
export const HEADER_FIELDS = {
  magic: u32(0),
  version: u32(4),
  total_size: u64(8),
  slot_size: u32(16),
  slot_count: u32(20),
  draining: u32(24),
  log_ring_size: u32(28),
  past_accepted: u64(32),
  past_finished: u64(40),
  past_memory_peak: u64(48),
  past_duration_sum_ns: u64(56),
  past_duration_buckets: { offset: 64, type: 'u64 buckets' },
  past_cpu_sum_ns: u64(192),
  past_status_classes: { offset: 200, type: 'u64 classes' },
  idle: i32(256),
  waiting: i32(260),
  ready: i32(264),
  max_active: i32(268),
  lowest_idle: i32(272),
  armed: u32(276),
  gone: u64(280),
  has_keeper: u32(288),
  is_keeper_away: u32(292),
} as const satisfies Record<string, Field>;

/** `struct tsfpm_slot` */
export const SLOT_FIELDS = {
  sequence: u32(0),
  pid: i32(4),
  stage: u32(8),
  leave: u32(12),
  start_ns: u64(16),
  start_epoch_us: u64(24),
  accepted: u64(32),
  finished: u64(40),
  request_start_ns: u64(48),
  request_start_epoch_us: u64(56),
  request_duration_ns: u64(64),
  request_cpu_ns: u64(72),
  request_memory: u64(80),
  memory_peak: u64(88),
  idle_since_ns: u64(96),
  params_length: u32(104),
  params_total: u32(108),
  duration_sum_ns: u64(112),
  duration_buckets: { offset: 120, type: 'u64 buckets' },
  cpu_sum_ns: u64(248),
  status_classes: { offset: 256, type: 'u64 classes' },
  has_no_script: u8(306),
  params: { offset: SLOT_SIZE - PARAMS_SIZE, type: 'bytes' },
} as const satisfies Record<string, Field>;

/** `enum tsfpm_stage`, by number. */
export const STAGES = [
  'free',
  'accepting',
  'reading headers',
  'info',
  'executing',
  'finished',
  'waiting',
  'starting',
] as const;

export type Stage = (typeof STAGES)[number];
