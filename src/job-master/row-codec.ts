// Why: one binary form for journal entries and table rows. How: MessagePack with record definitions
// inside each value, so that every value can be read on its own and a thousand pieces do not repeat
// their field names.
import { Packr } from 'msgpackr'

const packr = new Packr({ useRecords: true })

export function encodeValue(value: unknown): Buffer {
  return packr.pack(value)
}

/** The value as encodeValue got it; the caller knows its type because it wrote it. */
export function decodeValue(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}
