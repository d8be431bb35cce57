// The short circuit's writes on a disk that writes in parts and fills up: nothing is committed that
// is not all written.
import type { FileHandle } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { ReservedFileSink } from '../../../src/client/write/reserved-file-sink.ts'

const mib = 1024 * 1024

/** A disk of `capacityBytes` that takes at most `partBytes` a call. */
function sinkOn(capacityBytes: number, partBytes: number, length: number) {
  const disk = Buffer.alloc(capacityBytes)
  const calls: string[] = []
  const file = {
    writev: async (chunks: readonly Uint8Array[], position: number) => {
      await new Promise((resolve) => setImmediate(resolve))
      const bytes = Buffer.concat(chunks).subarray(0, partBytes)
      if (position + bytes.length > capacityBytes) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      disk.set(bytes, position)
      return { bytesWritten: bytes.length }
    },
    close: async () => void calls.push('close'),
  }
  const sink = new ReservedFileSink({
    worker: {
      commitBlock: async ({ length: ended, pageChecksums }) => {
        calls.push(ended === undefined ? 'commit' : `commit of ${ended} in ${pageChecksums.length} pages`)
        return {}
      },
      abortBlock: async () => {
        calls.push('abort')
        return {}
      },
    },
    header: { blockId: 1, length, namespaceId: 'n1', key: 'k', etag: 'e', offset: 0 },
    reservation: 'r1',
    file: file as unknown as FileHandle,
    signal: new AbortController().signal,
    ended: () => void calls.push('ended'),
  })
  return { sink, disk, calls }
}

describe('ReservedFileSink', () => {
  test('goes on after a write that took only a part', async () => {
    const bytes = Buffer.alloc(2 * mib + 5, 'abcdefg')
    const { sink, disk, calls } = sinkOn(bytes.length, 100_003, bytes.length)
    for (let from = 0; from < bytes.length; from += 70_000) await sink.write(bytes.subarray(from, from + 70_000))
    await sink.commit()
    expect(disk.equals(bytes)).toBe(true)
    expect(calls).toEqual(['close', 'commit', 'ended'])
  })

  test('a block may end early; the worker is told where', async () => {
    const { sink, disk, calls } = sinkOn(2 * mib, 3 * mib, 2 * mib)
    await sink.write(Buffer.alloc(mib + 7, 1))
    await sink.commit(mib + 7)
    expect(disk.indexOf(0)).toBe(mib + 7)
    expect(calls).toEqual(['close', `commit of ${mib + 7} in 2 pages`, 'ended'])
    const wrong = sinkOn(mib, mib, mib)
    await wrong.sink.write(Buffer.alloc(10))
    await expect(wrong.sink.commit(11)).rejects.toMatchObject({ code: 'data_loss' })
    expect(wrong.calls).toEqual(['ended', 'close', 'abort'])
  })

  test('a disk full at the last byte fails the commit, one full earlier a write; the reservation goes', async () => {
    const late = sinkOn(99, 1000, 100)
    await late.sink.write(Buffer.alloc(100))
    await expect(late.sink.commit()).rejects.toMatchObject({ code: 'resource_exhausted' })
    expect(late.calls).toEqual(['ended', 'close', 'abort'])
    const early = sinkOn(99, 4 * mib, 4 * mib)
    await early.sink.write(Buffer.alloc(mib))
    await expect(early.sink.write(Buffer.alloc(mib))).rejects.toMatchObject({ code: 'resource_exhausted' })
    await early.sink.abort()
    await early.sink.abort()
    expect(early.calls).toEqual(['ended', 'close', 'abort'])
  })
})
