// What is synced while a block is written, and what becomes of a disk that cannot.
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SyncAhead, syncSlots } from '../../../src/block/disk/sync-ahead.ts'

const mebibyte = 1024 * 1024
const folder = mkdtempSync(join(tmpdir(), 'skein-sync-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('SyncAhead', () => {
  it('syncs once enough was written, one file at a time', async () => {
    const slots = syncSlots()
    const [one, other] = ['one', 'other'].map((name) => openSync(join(folder, name), 'w'))
    const failed: Error[] = []
    const first = new SyncAhead(one ?? -1, slots, (error) => failed.push(error))
    const second = new SyncAhead(other ?? -1, slots, (error) => failed.push(error))
    first.wrote(8 * mebibyte - 1)
    expect(slots.used).toBe(0)
    first.wrote(8 * mebibyte)
    expect(slots.used).toBe(1)
    // The other one is left to its commit.
    second.wrote(100 * mebibyte)
    await second.settle()
    expect(slots.used).toBe(1)
    await first.settle()
    expect(slots.used).toBe(0)
    first.wrote(15 * mebibyte)
    expect(slots.used).toBe(0)
    first.wrote(16 * mebibyte)
    expect(slots.used).toBe(1)
    await first.settle()
    expect(failed).toEqual([])
    for (const fd of [one, other]) closeSync(fd ?? -1)
  })

  it('tells of a sync that failed', async () => {
    const slots = syncSlots()
    const failed: Error[] = []
    const fd = openSync(join(folder, 'closed'), 'w')
    closeSync(fd)
    const ahead = new SyncAhead(fd, slots, (error) => failed.push(error))
    ahead.wrote(8 * mebibyte)
    await ahead.settle()
    expect(failed).toMatchObject([{ code: 'unavailable', reason: 'disk_fault' }])
    expect(slots.used).toBe(0)
  })
})
