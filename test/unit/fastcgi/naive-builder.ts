/** Builds FastCGI bytes from number lists, straight from the specification's tables: knows nothing of src/fastcgi. */

export function record(type: number, id: number, content: Iterable<number>, padding = 0): number[] {
  const bytes = [...content];
  const header = [
    1,
    type,
    (id >> 8) & 255,
    id & 255,
    (bytes.length >> 8) & 255,
    bytes.length & 255,
    padding,
    0,
  ];
  return [...header, ...bytes, ...new Array<number>(padding).fill(0x55)];
}

export function pair(name: string, value: string): number[] {
  const n = [...Buffer.from(name)];
  const v = [...Buffer.from(value)];
  return [...length(n.length), ...length(v.length), ...n, ...v];
}

function length(n: number): number[] {
  return n <= 127 ? [n] : [128 + (Math.floor(n / 2 ** 24) % 128), (n >> 16) & 255, (n >> 8) & 255, n & 255];
}
