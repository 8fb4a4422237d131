const LONG_MAX = 2n ** 63n - 1n;
const LONG_MIN = -(2n ** 63n);

/** C's `atoi` on a 64-bit machine: leading digits, saturated as a long, cut to 32 bits; 0 without digits. */
export function toInteger(text: string): number {
  const digits = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text)?.[1];
  if (digits === undefined) return 0;
  // Twenty digits are above every long already; more would only make BigInt slow.
  const long = BigInt(
    digits
      .replace(/^\+/, '')
      .replace(/^(-?)0+(?=[0-9])/, '$1')
      .slice(0, 21),
  );
  const clamped = long > LONG_MAX ? LONG_MAX : long < LONG_MIN ? LONG_MIN : long;
  return Number(BigInt.asIntN(32, clamped));
}
