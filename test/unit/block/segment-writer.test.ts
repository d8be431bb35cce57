// Why: how records go out, and what a disk that takes no more does to them.
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { Segment } from '../../../src/block/segment/segment-file.ts'
import { encodeTombstone } from '../../../src/block/segment/segment-record.ts'
import { SegmentWriter } from '../../../src/block/segment/segment-writer.ts'
import { mebibyte, temporaryFolder } from '../../conformance/support/block-store-fixture.ts'

describe('group append', () => {
  function writerTo(path: string, segmentBytes = mebibyte) {
    const log: string[] = []
    let number = 0
    const writer: SegmentWriter = new SegmentWriter({
      segmentBytes,
      segment: undefined,
      create: () => Promise.resolve(new Segment(path, (number += 1), Buffer.alloc(8, number), openSync(path, 'w+'))),
      onSealed: (segment) => log.push(`sealed ${segment.number}`),
      onWritten: () => log.push('written'),
      onFailed: () => undefined,
    })
    const append = (data: Buffer): Promise<string> =>
      new Promise((resolve) => {
        const head = encodeTombstone(1, 1)
        writer.append({
          head,
          data: [data],
          bytes: head.length + data.length,
          written: ({ segment, position }) => resolve(`${segment.number}@${position}`),
          failed: (error) => resolve(error instanceof SkeinError ? `${error.code} ${error.reason}` : 'unknown'),
        })
      })
    return { writer, append, log }
  }

  test('what comes in one turn, and what comes during a write, goes out in one write each', async () => {
    const folder = await temporaryFolder()
    onTestFinished(folder.remove)
    const { writer, append, log } = writerTo(join(folder.path, 'segment'))
    const first = Array.from({ length: 100 }, () => append(Buffer.alloc(64)))
    // The write is out by then, and cannot be back: that takes a turn of the event loop.
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    const second = Array.from({ length: 100 }, () => append(Buffer.alloc(64)))
    expect(await Promise.all([...first, ...second])).toEqual(
      Array.from({ length: 200 }, (_, index) => `1@${index * 100}`),
    )
    await writer.close()
    expect(log).toEqual(['written', 'written'])
    expect(await append(Buffer.alloc(1))).toBe('unavailable stopping')
  })

  // /dev/full answers ENOSPC to every write, and cannot be cut either.
  test('a full disk is resource_exhausted for all in the write, and the segment is closed', async () => {
    const { writer, append, log } = writerTo('/dev/full')
    expect(await Promise.all([append(Buffer.alloc(10)), append(Buffer.alloc(10))])).toEqual([
      'resource_exhausted disk_full',
      'resource_exhausted disk_full',
    ])
    expect(log).toEqual(['sealed 1'])
    expect(await append(Buffer.alloc(10))).toBe('resource_exhausted disk_full')
    await writer.close()
  })
})
