/** A duration in whole or fractional milliseconds. */
export type Milliseconds = number;
/** A moment or a duration, for lines that show it so finely. */
export type Microseconds = number;
/** A duration in whole seconds, as most directives count. */
export type Seconds = number;
/** A monotonic clock reading or a duration; 64 bits, so that it never wraps. */
export type Nanoseconds = bigint;
/** An amount of memory or data. */
export type Bytes = number;
/** How many of something. */
export type Count = number;
/** A process id as the kernel of this machine numbers them. */
export type Pid = number;
/** An open descriptor of this process. */
export type Fd = number;
