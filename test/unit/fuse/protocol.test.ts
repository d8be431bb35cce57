// The first words with the kernel, and requests that are not whole.
import { describe, expect, test } from 'vitest'
import { negotiate } from '../../../src/fuse/protocol/negotiation.ts'
import { RequestReader } from '../../../src/fuse/protocol/request.ts'
import { initBits } from '../../../src/fuse/protocol/wire-numbers.ts'

const wanted = { requestBytesMax: 1 << 20, readAheadBytes: 4 << 20, backgroundMax: 64 }
const needed = initBits.atomicTruncate | initBits.maxPages

function init(major: number, minor: number, flags = 0, second = 0): RequestReader {
  const bytes = Buffer.alloc(40 + 64)
  bytes.writeUInt32LE(bytes.length, 0)
  for (const [index, word] of [major, minor, 128 * 1024, flags >>> 0, second].entries())
    bytes.writeUInt32LE(word, 40 + 4 * index)
  return new RequestReader(bytes)
}

describe('negotiation', () => {
  test('takes what the kernel offers, and no more', () => {
    const { answer } = negotiate(init(7, 45, needed | initBits.readdirplus | (1 << 16)), wanted)
    expect([answer.readUInt32LE(0), answer.readUInt32LE(4)]).toEqual([7, 38])
    expect(answer.readUInt32LE(8)).toBe(128 * 1024)
    expect(answer.readUInt32LE(12)).toBe(needed | initBits.readdirplus)
    expect(answer.readUInt16LE(16)).toBe(64)
    expect(answer.readUInt32LE(20)).toBe(1 << 20)
    expect(answer.readUInt16LE(28)).toBe(256)
    expect(answer.readUInt32LE(32)).toBe(0)
  })

  test('the second word of flags', () => {
    const offered = needed | initBits.secondWord
    expect(negotiate(init(7, 36, offered, 0xffff), wanted).answer.readUInt32LE(32)).toBe(initBits.directIoAllowMapping)
  })

  test('a newer kernel asks again, an older one is refused', () => {
    expect(negotiate(init(8, 0), wanted).answer.readUInt32LE(0)).toBe(7)
    expect(() => negotiate(init(7, 27, needed), wanted)).toThrow('FUSE 7.27 is too old')
    expect(() => negotiate(init(6, 40, needed), wanted)).toThrow('too old')
    expect(() => negotiate(init(7, 31, initBits.maxPages), wanted)).toThrow('lacks what is needed')
  })
})

describe('a request', () => {
  test('that is cut short, or longer than it says, is refused', () => {
    expect(() => new RequestReader(Buffer.alloc(10))).toThrow('10 bytes')
    const bytes = Buffer.alloc(48)
    bytes.writeUInt32LE(47, 0)
    expect(() => new RequestReader(bytes)).toThrow('48 bytes')
    bytes.writeUInt32LE(48, 0)
    const reader = new RequestReader(bytes)
    reader.skip(4)
    expect(() => reader.wide()).toThrow('cut short')
    expect(reader.word()).toBe(0)
    expect(() => reader.rest(1)).toThrow('cut short')
    expect(() => reader.text()).toThrow('has no end')
  })

  test('numbers that are not exact are refused', () => {
    const bytes = Buffer.alloc(48, 0xff)
    bytes.writeUInt32LE(48, 0)
    expect(() => new RequestReader(bytes).wide()).toThrow('too large')
  })
})
