// Why: what is read from a segment is what was written, or nothing. How: random records are torn
// and flipped at random.
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { pageChecksums } from '../../../src/base/page-checksum.ts'
import { createSegment } from '../../../src/block/segment/segment-file.ts'
import {
  decodeRecord,
  encodeBlockHead,
  encodeTombstone,
  type SegmentRecord,
  setMark,
  tombstoneBytes,
} from '../../../src/block/segment/segment-record.ts'
import { readWindows } from '../../../src/block/segment/segment-scan.ts'
import { bytesOf, headerOf, never, temporaryFolder } from '../../conformance/support/block-store-fixture.ts'

const mark = Buffer.from('0011223344556677', 'hex')

const headers = fc.record({
  blockId: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  length: fc.integer({ min: 0, max: 5 * 1024 * 1024 }),
  offset: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  namespaceId: fc.string(),
  key: fc.string({ unit: 'grapheme', maxLength: 300 }),
  etag: fc.string(),
})

function headOf(header: ReturnType<typeof headerOf>, sequence: number): Buffer {
  const checksums = Array.from({ length: Math.ceil(header.length / 2 ** 20) }, (_, page) => (page * 0x9e3779b9) >>> 0)
  const head = encodeBlockHead(sequence, header, checksums)
  setMark(head, mark)
  return head
}

describe('a record', () => {
  test('comes back as it went in', () => {
    fc.assert(
      fc.property(headers, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (header, sequence) => {
        const head = headOf(header, sequence)
        expect(decodeRecord(Buffer.concat([Buffer.alloc(3), head]), 3, mark)).toMatchObject({
          kind: 'block',
          sequence,
          header,
          headBytes: head.length,
          bytes: head.length + header.length,
        })
        const tombstone = encodeTombstone(sequence, header.blockId)
        setMark(tombstone, mark)
        expect(decodeRecord(tombstone, 0, mark)).toEqual({
          kind: 'tombstone',
          sequence,
          blockId: header.blockId,
          headBytes: tombstoneBytes,
          bytes: tombstoneBytes,
        })
      }),
      { numRuns: 300 },
    )
  })

  test('with any one bit flipped, or of another segment, is none', () => {
    const head = headOf(headerOf(77, 100), 5)
    for (let bit = 0; bit < head.length * 8; bit += 1) {
      const hurt = Buffer.from(head)
      hurt[bit >> 3] = (hurt[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      // A length that grew asks for more bytes; with all that there could be it is none.
      const found = decodeRecord(Buffer.concat([hurt, Buffer.alloc(600_000)]), 0, mark)
      expect(found, `bit ${bit}`).toBeUndefined()
    }
    expect(decodeRecord(head, 0, Buffer.from('0011223344556678', 'hex'))).toBeUndefined()
  })

  test('that is cut asks for more bytes, never for fewer than it has', () => {
    const head = headOf(headerOf(77, 100), 5)
    for (let bytes = 0; bytes < head.length; bytes += 1) {
      const found = decodeRecord(head.subarray(0, bytes), 0, mark)
      expect(found).toBeTypeOf('number')
      expect(found).toBeGreaterThan(bytes)
    }
  })

  test('is never made of noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const bytes = Buffer.concat([mark, noise])
        expect(typeof decodeRecord(bytes, 0, mark)).not.toBe('object')
      }),
      { numRuns: 500 },
    )
  })
})

interface Written {
  readonly from: number
  readonly to: number
  readonly sequence: number
}

/** A segment file of random records, and where they are. */
async function segmentOf(folder: string, random: () => number) {
  const segment = await createSegment(folder, 1)
  const parts: Buffer[] = []
  const written: Written[] = []
  let at = 0
  for (let sequence = 1; sequence <= 40; sequence += 1) {
    const data = random() < 0.2 ? undefined : bytesOf(Math.floor(random() ** 3 * 20_000), sequence)
    const head =
      data === undefined
        ? encodeTombstone(sequence, sequence)
        : encodeBlockHead(
            sequence,
            headerOf(sequence, data.length, 'k'.repeat(Math.floor(random() * 3000))),
            pageChecksums(data),
          )
    setMark(head, segment.mark)
    parts.push(head, data ?? Buffer.alloc(0))
    const bytes = head.length + (data?.length ?? 0)
    written.push({ from: at, to: at + bytes, sequence })
    at += bytes
  }
  return { segment, bytes: Buffer.concat(parts), written, headEnds: written }
}

async function scan(segment: Awaited<ReturnType<typeof createSegment>>, windowBytes: number) {
  const found: { position: number; record: SegmentRecord }[] = []
  for await (const window of readWindows(segment, windowBytes, never)) found.push(...window.records)
  return found.map(({ position, record }) => ({
    from: position,
    to: position + record.bytes,
    sequence: record.sequence,
  }))
}

describe('a scan', () => {
  test('uses one memory for all windows, and frees it unless its reader fails', async () => {
    const folder = await temporaryFolder()
    const { segment, bytes } = await segmentOf(folder.path, seededRandom(3))
    writeSync(segment.fd, bytes)
    segment.size = bytes.length
    try {
      const memories = new Set<ArrayBufferLike>()
      let windows = 0
      for await (const window of readWindows(segment, 16_384, never)) {
        windows += 1
        memories.add(window.bytes.buffer)
        expect(window.bytes.equals(bytes.subarray(window.position, window.position + window.bytes.length))).toBe(true)
      }
      expect(windows).toBeGreaterThan(5)
      expect([...memories].map(({ byteLength }) => byteLength)).toEqual([0])
      let kept: Uint8Array = new Uint8Array()
      const failing = async (): Promise<void> => {
        for await (const window of readWindows(segment, 16_384, never)) {
          kept = window.bytes
          throw new Error('not written')
        }
      }
      await expect(failing()).rejects.toThrow('not written')
      // A write of it may still be under way.
      expect(bytes.subarray(0, kept.length).equals(kept)).toBe(true)
      expect(kept.length).toBeGreaterThan(0)
    } finally {
      segment.retire()
      await folder.remove()
    }
  })

  test.each([16, 64, 1000, 65_536])(
    'of a sound, a cut and a rotten segment by windows of %i bytes',
    async (windowBytes) => {
      const folder = await temporaryFolder()
      try {
        for (let seed = 0; seed < 15; seed += 1) {
          const random = seededRandom(seed * 7 + windowBytes)
          const inner = await temporaryFolder()
          const { segment, bytes, written } = await segmentOf(inner.path, random)
          const put = (content: Buffer): void => {
            const fd = openSync(join(segment.path), 'w')
            writeSync(fd, content)
            closeSync(fd)
            segment.size = content.length
          }
          put(bytes)
          expect(await scan(segment, windowBytes)).toEqual(written)

          const cutAt = Math.floor(random() * bytes.length)
          put(bytes.subarray(0, cutAt))
          expect(await scan(segment, windowBytes)).toEqual(written.filter(({ to }) => to <= cutAt))

          const hurt = Buffer.from(bytes)
          const at = Math.floor(random() * hurt.length)
          hurt.fill(random() < 0.5 ? 0 : 0xff, at, at + 1 + Math.floor(random() * 50))
          put(hurt)
          const touched = (record: Written): boolean =>
            !hurt.subarray(record.from, record.to).equals(bytes.subarray(record.from, record.to))
          const found = await scan(segment, windowBytes)
          // All that is whole is found; of what is hurt, only a record whose head is whole.
          expect(found.filter((record) => !touched(record))).toEqual(written.filter((record) => !touched(record)))
          for (const record of found) expect(written).toContainEqual(record)
          segment.retire()
          await inner.remove()
        }
      } finally {
        await folder.remove()
      }
    },
  )

  test("a record inside another block's data is not found, even when the head before it rots", async () => {
    const folder = await temporaryFolder()
    const segment = await createSegment(folder.path, 1)
    const forged = headOf(headerOf(666, 0), 999)
    const data = Buffer.concat([Buffer.alloc(100), forged, Buffer.alloc(100)])
    const head = encodeBlockHead(1, headerOf(1, data.length), pageChecksums(data))
    setMark(head, segment.mark)
    head[30] = (head[30] ?? 0) ^ 1
    const after = encodeTombstone(2, 5)
    setMark(after, segment.mark)
    const content = Buffer.concat([head, data, after])
    writeSync(segment.fd, content)
    segment.size = content.length
    expect((await scan(segment, 4096)).map(({ sequence }) => sequence)).toEqual([2])
    segment.retire()
    await folder.remove()
  })
})
