// Why: ids, lengths and sequence numbers are whole numbers below 2^53 and 64 bits wide on disk.
// How: Buffer reads and writes 64-bit integers as BigInt only, which costs an allocation a field;
// two halves do not.

export function writeSafeInteger(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32LE(value % 2 ** 32, at)
  buffer.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}

export function readSafeInteger(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 2 ** 32
}
