// A reader in the worker's process must get no other bytes than one that comes through its port.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { ExpectedBlock } from '../../../src/base/expected-block.ts'
import { DirectoryStore } from '../../../src/block/directory/directory-store.ts'
import { LocalBlocks } from '../../../src/cache-worker/local-blocks.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'

const mebibyte = 1024 * 1024
const content = Buffer.from(Uint8Array.from({ length: 3 * mebibyte + 5 }, (_, index) => index ^ (index >> 11)))
const expected: ExpectedBlock = {
  ...{ namespaceId: 'n', key: 'k', etag: 'e', length: content.length, offset: 0, keyMoved: false },
}
const never = new AbortController().signal
let folder: string
let store: DirectoryStore
let blocks: LocalBlocks
const metrics = new MetricRegistry()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-local-blocks-'))
  const deps = {
    ...{ events: { added: () => undefined, removed: () => undefined }, clock: systemClock },
    ...{ logger: silentLogger, metrics },
  }
  const options = { tier: 'MEM', mediumType: 'MEM', quotaBytes: 64 * mebibyte, workerId: 'w', deps }
  store = await DirectoryStore.open({ ...options, path: folder })
  const header = { blockId: 7, length: content.length, namespaceId: 'n', key: 'k', etag: 'e', offset: 0 }
  const reservation = await store.reserve(header)
  await reservation.write(content)
  await reservation.commit()
  blocks = new LocalBlocks(store, metrics)
})
afterEach(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

async function read(offset: number, length: number, of = expected, blockId = 7): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of blocks.read('here:1', blockId, { offset, length }, never, of)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

it('reads any range', async () => {
  for (const [from, length] of [
    [0, content.length],
    [5, 10],
    [mebibyte - 1, 2],
    [content.length - 1, 1],
    [mebibyte / 2, 2 * mebibyte],
  ] as const)
    expect((await read(from, length)).equals(content.subarray(from, from + length)), `${from}+${length}`).toBe(true)
})

it('reads no block but the wanted one', async () => {
  await expect(read(0, 1, { ...expected, etag: 'other' })).rejects.toMatchObject({
    code: 'data_loss',
    reason: 'wrong_block',
  })
  await expect(read(0, 1, expected, 8)).rejects.toMatchObject({ code: 'not_found' })
})

it('reads no page that has rotted, and drops the block', async () => {
  const names = await readdir(join(folder, 'blocks'), { recursive: true, withFileTypes: true })
  const file = names.find((entry) => entry.isFile())
  const path = join(file?.parentPath ?? '', file?.name ?? '')
  const bytes = await readFile(path)
  bytes.writeUInt8(bytes.readUInt8(mebibyte + 3) ^ 1, mebibyte + 3)
  await writeFile(path, bytes)
  expect((await read(0, mebibyte)).equals(content.subarray(0, mebibyte))).toBe(true)
  await expect(read(mebibyte - 1, 2)).rejects.toMatchObject({ code: 'data_loss', reason: 'block_corrupt' })
  expect(store.has(7)).toBe(false)
})
