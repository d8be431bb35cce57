// Why: one binary format for journal entries and table rows. How: MessagePack with the record
// definitions inside each value, so that each value can be read on its own and a thousand pieces do
// not repeat their field names.
import { Packr } from 'msgpackr'

const packr = new Packr({ useRecords: true })

export function encodeValue(value: unknown): Buffer {
  return packr.pack(value)
}

/**
 * Returns the value that encodeValue got. The caller knows its type, because it wrote the value.
 */
export function decodeValue(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}
