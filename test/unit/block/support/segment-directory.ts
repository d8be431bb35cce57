// Why: the tests of segments share a directory of small segments, and ways to look into it. How: a
// fresh one for each test of the file that calls segmentDirectory.
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect } from 'vitest'
import { BlockDirectory, type SegmentSettings } from '../../../../src/block/assembly/block-directory.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  readWhole,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../../conformance/support/block-store-fixture.ts'

export const kibibyte = 1024

export function segmentDirectory() {
  let root = ''
  let cleanups: (() => Promise<unknown>)[] = []
  beforeEach(async () => {
    const folder = await temporaryFolder()
    root = join(folder.path, 'directory')
    cleanups = [folder.remove]
  })
  afterEach(async () => {
    for (const cleanup of cleanups.toReversed()) await cleanup()
  })

  async function open(settings: Partial<SegmentSettings> = {}, quotaBytes = 64 * mebibyte) {
    const deps = storeDependencies()
    const segments = { blockBytesMax: mebibyte, segmentBytes: 256 * kibibyte, background: false, ...settings }
    const store = await BlockDirectory.open({
      path: root,
      tier: 'SSD',
      mediumType: 'SSD',
      quotaBytes,
      workerId: 'worker-1',
      deps,
      segments,
    })
    cleanups.push(() => store.close())
    return { store, deps }
  }

  const segmentNames = async (): Promise<string[]> =>
    (await readdir(join(root, 'segments'))).filter((name) => !name.endsWith('.heads')).toSorted()
  async function segmentPath(index: number): Promise<string> {
    return join(root, 'segments', (await segmentNames()).at(index) ?? 'none')
  }
  async function bytesOnDisk(): Promise<number> {
    let sum = 0
    for (const name of await segmentNames()) {
      // It may be deleted meanwhile.
      sum += (await stat(join(root, 'segments', name)).catch(() => ({ size: 0 }))).size
    }
    return sum
  }

  async function headsPath(index: number): Promise<string> {
    return (await segmentPath(index)).replace(/seg$/, 'heads')
  }
  async function removeHeads(): Promise<void> {
    for (const index of (await segmentNames()).keys()) await rm(await headsPath(index), { force: true })
  }

  return {
    get root() {
      return root
    },
    open,
    segmentNames,
    segmentPath,
    bytesOnDisk,
    headsPath,
    removeHeads,
  }
}

export const idsOf = (store: BlockDirectory): number[] =>
  [...store.list()].map(({ blockId }) => blockId).sort((a, b) => a - b)
export const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

export async function putAll(store: BlockDirectory, ids: readonly number[], length = 10 * kibibyte): Promise<void> {
  await Promise.all(ids.map((id) => store.put(headerOf(id, length), bytesOf(length, id))))
}

export async function freeAll(store: BlockDirectory, ids: readonly number[]): Promise<void> {
  await Promise.all(ids.map((id) => store.free(id)))
}

export async function expectBlocks(
  store: BlockDirectory,
  ids: readonly number[],
  length = 10 * kibibyte,
): Promise<void> {
  expect(idsOf(store)).toEqual(ids)
  for (const id of ids) expect((await readWhole(store, id)).equals(bytesOf(length, id)), `block ${id}`).toBe(true)
  expect(usedBytesOf(store)).toBe(ids.length * length)
}

export async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes.writeUInt8((bytes[at] ?? 0) ^ 0x10, at)
  await writeFile(path, bytes)
}
