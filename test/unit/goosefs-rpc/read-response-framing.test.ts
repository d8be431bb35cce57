import { describe, expect, it } from 'vitest'
import { ReadResponse } from '../../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { frameResponse, responseHeaderBytesMax } from '../../../src/goosefs-rpc/worker/read-response-framing.ts'

const lengths = [1, 2, 123, 124, 125, 126, 127, 128, 129, 16_379, 16_380, 16_381, 16_383, 16_384, 2 ** 20, 2 ** 21 + 5]

describe('the framing of responses', () => {
  it.each(lengths)('%d bytes are what the generated encoder makes of them', (length) => {
    const data = Buffer.alloc(length, 7)
    const memory = Buffer.alloc(responseHeaderBytesMax + length + 3, 0xee)
    data.copy(memory, responseHeaderBytesMax)
    const framed = frameResponse(memory, responseHeaderBytesMax, length)
    const encoded = ReadResponse.encode({ chunk: { data } }).finish()
    expect(Buffer.compare(framed, encoded)).toBe(0)
    expect(Buffer.compare(ReadResponse.decode(framed).chunk?.data ?? Buffer.alloc(0), data)).toBe(0)
    // It is in the memory that was given, and nothing else is touched.
    expect(framed.buffer).toBe(memory.buffer)
    expect([...memory.subarray(responseHeaderBytesMax + length)]).toEqual([0xee, 0xee, 0xee])
  })

  it('a length of five bytes has room for its header', () => {
    // Only the header of so long a chunk is written.
    const memory = { length: 0, written: new Map<number, number>() }
    const view = new Proxy({} as Uint8Array, {
      set: (_target, at, value: number) => (memory.written.set(Number(at), value), true),
      get: (_target, name) => (name === 'subarray' ? (from: number) => (memory.length = from) : undefined),
    })
    frameResponse(view, responseHeaderBytesMax, 2 ** 34)
    expect(memory.length).toBeGreaterThanOrEqual(0)
    expect(Math.min(...memory.written.keys())).toBeGreaterThanOrEqual(0)
    expect(Math.max(...memory.written.keys())).toBe(responseHeaderBytesMax - 1)
  })
})
