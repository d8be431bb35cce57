import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blockIdOf, blocksPerFileMax, containersMax, fileIdOf } from '../../../src/base/block-id.ts'
import {
  blockIdOfNative,
  blockOfNative,
  bytesOfNative,
  fileIdOfNative,
  nativeBlockId,
  nativeFileId,
  nativeWorkerId,
} from '../../../src/goosefs-rpc/ids/native-ids.ts'

const containers = fc.integer({ min: 0, max: containersMax - 1 })
const indexes = fc.integer({ min: 0, max: blocksPerFileMax - 1 })

describe('ids of GooseFS', () => {
  it('go there and back, and blocks follow from files as clients compute them', () => {
    fc.assert(
      fc.property(containers, indexes, (container, index) => {
        const fileId = fileIdOf(container)
        const native = nativeFileId(fileId)
        expect(fileIdOfNative(native)).toBe(fileId)
        const block = nativeBlockId(fileId, index)
        expect(block).toBe(((native >> 24n) << 24n) | BigInt(index))
        expect(blockOfNative(block)).toEqual({ fileId, index })
        expect(blockIdOfNative(block)).toBe(blockIdOf(fileId, index))
      }),
    )
  })

  it.each([-1n, 1n << 62n, (1n << 24n) - 2n, BigInt(containersMax) << 24n])('%s is no block', (id) => {
    expect(() => blockOfNative(id)).toThrow(/is no/)
  })

  it('a worker has one number above 0', () => {
    fc.assert(
      fc.property(fc.string(), (word) => {
        const id = nativeWorkerId(word)
        expect(id > 0n && id < 1n << 63n).toBe(true)
        expect(nativeWorkerId(word)).toBe(id)
      }),
    )
    expect(nativeWorkerId('a')).not.toBe(nativeWorkerId('b'))
  })

  it.each([undefined, -1n, 1n << 60n])('%s is no number of bytes', (value) => {
    expect(() => bytesOfNative(value, 'length')).toThrow(/length/)
  })
})
