// Integers in the machine's own byte order, as structs of the kernel hold them. Buffer's methods want the order
// spelled out; typed arrays have the machine's.

/** Whether this machine keeps the least significant byte first. */
export const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** A fresh `int` or `uint32_t`, to pass by pointer; negative values in two's complement. */
export function nativeInt32(value: number): Buffer {
  return Buffer.from(Int32Array.of(value).buffer);
}

export function writeUInt16(bytes: Buffer, value: number, offset: number): void {
  viewOf(bytes).setUint16(offset, value, IS_LITTLE_ENDIAN);
}

export function readUInt16(bytes: Buffer, offset: number): number {
  return viewOf(bytes).getUint16(offset, IS_LITTLE_ENDIAN);
}

export function writeUInt32(bytes: Buffer, value: number, offset: number): void {
  viewOf(bytes).setUint32(offset, value, IS_LITTLE_ENDIAN);
}

export function readUInt32(bytes: Buffer, offset: number): number {
  return viewOf(bytes).getUint32(offset, IS_LITTLE_ENDIAN);
}

export function readInt32(bytes: Buffer, offset: number): number {
  return viewOf(bytes).getInt32(offset, IS_LITTLE_ENDIAN);
}

export function writeUInt64(bytes: Buffer, value: bigint, offset: number): void {
  viewOf(bytes).setBigUint64(offset, value, IS_LITTLE_ENDIAN);
}

export function readUInt64(bytes: Buffer, offset: number): bigint {
  return viewOf(bytes).getBigUint64(offset, IS_LITTLE_ENDIAN);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
