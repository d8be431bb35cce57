// Why: a load that names no replication must not undo what was set, and one that names it says what
// it changes.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keepReplication } from '../../../src/load/plan/kept-replication.ts'
import type { ListedFile } from '../../../src/load/plan/planner.ts'
import { megabyte, World } from '../../model/support/load-world.ts'
import { never } from '../../model/support/load-doubles.ts'

const file: ListedFile = { fileId: 1, key: 'k', length: 5, etag: 'e', blockSizeBytes: 8, blocks: [], problem: '' }

describe('the target of a file', () => {
  it('is what was set as the minimum, one at least, and no more than workers live', () => {
    expect(keepReplication(file, 3)).toEqual(file)
    expect(keepReplication({ ...file, replicationMin: 2, replicationMax: 3 }, 3)).toMatchObject({
      replication: 2,
      replicationKept: true,
    })
    expect(keepReplication({ ...file, replicationMin: 5, replicationMax: -1 }, 3)).toMatchObject({ replication: 3 })
    expect(keepReplication({ ...file, replicationMin: 0, replicationMax: 2 }, 3)).toMatchObject({ replication: 1 })
  })
  it('is what a list says for it, where it says so', () => {
    expect(keepReplication({ ...file, replication: 4, replicationMin: 2 }, 9).replication).toBe(4)
  })
  it('is none where the maximum is 0: that is said by name', () => {
    expect(keepReplication({ ...file, replicationMin: 0, replicationMax: 0 }, 3).problem).toMatch(
      /^the maximum replication of the file is 0/,
    )
  })
})

describe('a load', () => {
  let w: World
  beforeEach(async () => {
    w = new World({ seed: 1, workers: 3 })
    for (let index = 0; index < 4; index += 1) w.addFile(`d/f${index}`, megabyte)
    await w.startJobMaster()
    w.startJobWorker('j1', 'host1')
  })
  afterEach(() => w.close())
  const load = async (options: object) => {
    const submitted = await w.jobMaster?.service.submitLoad(
      { requestKey: '', path: '/ns/d/', options: { replication: 1, activeJobs: 10, batchSize: 0, ...options } },
      { signal: never },
    )
    return w.untilEnded(submitted?.loadId ?? '')
  }

  it('leaves alone what was set, or says how many files have another replication now', async () => {
    const [first] = w.files.values()
    w.replicationOf.set(first?.fileId ?? 0, 2)
    const kept = await load({ keepReplication: true })
    expect(kept.counts?.filesReplicationChanged ?? 0).toBe(0)
    expect(w.replicationOf.get(first?.fileId ?? 0)).toBe(2)
    const given = await load({ replication: 3 })
    expect(given).toMatchObject({ state: 'COMPLETED', counts: { filesReplicationChanged: 1 } })
    expect(w.replicationOf.get(first?.fileId ?? 0)).toBe(3)
  })
})
