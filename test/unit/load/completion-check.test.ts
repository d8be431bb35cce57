// Why: what a job worker says is held against the set that it was given. How: one property over odd
// completions, and the cases that each broke a job master before.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { completionOf } from '../../../src/load/plan/completion-check.ts'
import { planPage } from '../../../src/load/plan/planner.ts'
import { Placement } from '../../../src/load/placing/placement.ts'
import type { Piece } from '../../../src/load/load.ts'

const piece = (container: number, firstBlock = 0, blockCount = 3): Piece => ({
  ...{
    fileId: fileIdOf(container),
    key: `f${container}`,
    etag: 'e',
    length: 25,
    blockSizeBytes: 10,
    firstBlock,
    blockCount,
    lead: true,
  },
})
const record = { pieces: [piece(1), piece(2, 1, 1)], targets: ['w1', 'w2'] }
const failure = (container: number, blockIndex: number, workerId = '') => ({
  ...{
    fileId: fileIdOf(container),
    blockIndex,
    workerId,
    code: 'unavailable',
    reason: '',
    retryable: true,
    message: 'm',
  },
})
const version = (change: object = {}) => ({
  ...{ oldFileId: fileIdOf(1), fileId: fileIdOf(9), key: 'f1', etag: 'x', length: 5, blockSizeBytes: 10, ...change },
})

describe('a completion', () => {
  test('describes files of the set, each once', () => {
    const files = [1, 9, 2, 1].map((container, at) => ({ fileId: fileIdOf(container), contentType: `${at}` }))
    const given = { failures: [], replacements: [], originBytes: 0, metadata: { files } }
    expect(completionOf(record, given).metadata.files).toEqual([files[0], files[2]])
    expect(completionOf(record, { failures: [], replacements: [], originBytes: 0 })).not.toHaveProperty('metadata')
  })

  test('is heard where it speaks of the set: files, blocks and workers of others are not', () => {
    const failures = [
      failure(1, 0),
      failure(1, 3),
      failure(1, 0),
      failure(2, 0),
      failure(2, 1, 'w2'),
      failure(3, 0),
      failure(1, 1, 'w9'),
    ]
    const given = { failures, replacements: [], originBytes: 10, filesVerified: 9, filesUnverifiable: 9 }
    const heard = completionOf(record, given)
    expect(heard.failures).toEqual([failure(1, 0), failure(2, 1, 'w2')])
    expect(heard).toMatchObject({ originBytes: 10, filesVerified: 2, filesUnverifiable: 0 })
  })

  test('cannot say that more was read than can have been', () => {
    const heard = completionOf(record, { failures: [], replacements: [], originBytes: Number.MAX_SAFE_INTEGER })
    expect(heard.originBytes).toBeLessThan(2 ** 40)
  })

  test.each([
    ['blocks of 0 bytes', { blockSizeBytes: 0 }],
    ['blocks of a part of a byte', { blockSizeBytes: 0.5 }],
    ['no length', { length: Number.NaN }],
    ['more blocks than a file has', { length: 2 ** 40, blockSizeBytes: 1 }],
    ['another key', { key: 'f2' }],
    ['an id of a block', { fileId: fileIdOf(9) - 1 }],
  ])('is refused for a new version with %s', (_what, change) => {
    const given = { failures: [], replacements: [version(change)], originBytes: 0 }
    expect(() => completionOf(record, given)).toThrow(expect.objectContaining({ code: 'invalid_argument' }))
  })

  test('has one new version of a file, and none of a file of another set', () => {
    const replacements = [version(), version({ fileId: fileIdOf(10) }), version({ oldFileId: fileIdOf(7) })]
    expect(completionOf(record, { failures: [], replacements, originBytes: 0 }).replacements).toEqual([version()])
  })
})

test('a listing with sizes that cannot be is planned to its end', () => {
  const placement = new Placement()
  placement.update([{ workerId: 'w', hostname: 'h', live: true, capacityBytes: 2 ** 50, usedBytes: 0 }], 0)
  const odd = fc.constantFrom(0, -1, 0.5, 1, 10, 2 ** 31, 2 ** 53 - 1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY)
  const options = { replication: 1, batchFiles: 4, batchBytes: 400, largeSetBytes: 250 }
  fc.assert(
    fc.property(odd, odd, (length, blockSizeBytes) => {
      const file = { fileId: fileIdOf(1), key: 'k', length, etag: 'e', blockSizeBytes, blocks: [], problem: '' }
      const plan = planPage([file], options, placement)
      const isPossible =
        Number.isSafeInteger(length) && length >= 0 && blockSizeBytes >= 1 && Number.isSafeInteger(blockSizeBytes)
      if (!isPossible) expect(plan.failed).toHaveLength(1)
    }),
    { numRuns: 100 },
  )
})
