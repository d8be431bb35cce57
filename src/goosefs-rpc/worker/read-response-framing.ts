// Why: a megabyte that goes through a general encoder is copied and looked at for nothing. How: a
// ReadResponse is a few bytes before the data: the tags and lengths of `chunk`, and of `data` in
// it. They are written in front of bytes that are in place already. Pure.
// Source: the protocol buffer encoding; field numbers: proto/goosefs/blocks.proto.

/** Field 1, of bytes: `chunk` of a response, and `data` of a chunk. */
const tag = 0x0a
/** No header is longer: two tags, and two lengths below 2^35. */
export const responseHeaderBytesMax = 12

/**
 * Writes the header of a response whose data is `bytes` from `dataAt` on. The 12 bytes before
 * `dataAt` are there, and may be overwritten.
 * @returns the encoded response, in the same memory
 */
export function frameResponse(memory: Uint8Array, dataAt: number, bytes: number): Uint8Array {
  const innerBytes = 1 + lengthBytes(bytes) + bytes
  const start = dataAt - (2 + lengthBytes(bytes) + lengthBytes(innerBytes))
  memory[start] = tag
  const at = writeLength(memory, start + 1, innerBytes)
  memory[at] = tag
  writeLength(memory, at + 1, bytes)
  return memory.subarray(start, dataAt + bytes)
}

function lengthBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1
  return bytes
}

/** @returns where the next byte belongs */
function writeLength(memory: Uint8Array, at: number, value: number): number {
  let to = at
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    memory[to] = (rest % 0x80) | 0x80
    to += 1
  }
  memory[to] = rest
  return to + 1
}
