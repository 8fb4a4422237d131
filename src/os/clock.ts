import { checked, libcFunction } from './libc.js';
import { readUInt64 } from './native-integers.js';

const CLOCK_REALTIME = 0;
/** `struct timespec` of a 64-bit machine: seconds, nanoseconds. */
const TIMESPEC_SIZE = 16;

const clock_gettime = libcFunction<(clock: number, time: Buffer) => number>(
  'int clock_gettime(int clockid, void *tp)',
);

/**
 * The wall clock, as finely as log_level = debug shows it; Date.now() ends at milliseconds.
 *
 * @returns microseconds since 1970
 */
export function wallClockUs(): number {
  const time = Buffer.alloc(TIMESPEC_SIZE);
  checked(clock_gettime(CLOCK_REALTIME, time), { syscall: 'clock_gettime' });
  return Number(readUInt64(time, 0)) * 1e6 + Math.floor(Number(readUInt64(time, 8)) / 1e3);
}
