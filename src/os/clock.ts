import { checked, libcFunction } from './libc.js';
import { readUInt64 } from './native-integers.js';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
/** `struct timespec` of a 64-bit machine: seconds, nanoseconds. */
const TIMESPEC_SIZE = 16;

const clock_gettime = libcFunction<(clock: number, time: Buffer) => number>(
  'int clock_gettime(int clockid, void *tp)',
);

/**
 * The wall clock in microseconds, for log_level = debug; Date.now() has milliseconds only.
 *
 * @returns microseconds since 1970
 */
export function wallClockUs(): number {
  return readClockUs(CLOCK_REALTIME);
}

/**
 * The clock that other processes of this machine can compare with their own, as systemd does.
 *
 * @returns microseconds since some moment before boot
 * @see clock_gettime(2) CLOCK_MONOTONIC
 */
export function monotonicClockUs(): number {
  return readClockUs(CLOCK_MONOTONIC);
}

function readClockUs(clock: number): number {
  const time = Buffer.alloc(TIMESPEC_SIZE);
  checked(clock_gettime(clock, time), { syscall: 'clock_gettime' });
  return Number(readUInt64(time, 0)) * 1e6 + Math.floor(Number(readUInt64(time, 8)) / 1e3);
}
