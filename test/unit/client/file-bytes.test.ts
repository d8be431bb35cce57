import { beforeEach, describe, expect, test } from 'vitest'
import { fileBytes } from '../../../src/client/file-bytes.ts'
import type { FileRange, FileSystem } from '../../../src/client/file-system.ts'
import { bytesOf, ReadWorld } from './support/read-world.ts'

const never = new AbortController().signal
let world: ReadWorld

beforeEach(() => {
  world = new ReadWorld()
  world.put('/ns/f', bytesOf(30_000), { blockSizeBytes: 15_000, workers: [] })
})

async function read(files: FileSystem, rangeOf?: (length: number) => FileRange): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of fileBytes(files, '/ns/f', never, rangeOf)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('fileBytes', () => {
  test('reads the file, or a range that depends on its length', async () => {
    const files = world.fileSystem()
    expect((await read(files)).equals(bytesOf(30_000))).toBe(true)
    const end = await read(files, (length) => ({ offset: length - 7 }))
    expect(end.equals(bytesOf(30_000).subarray(-7))).toBe(true)
  })

  test('reads the new version when the file changed before the first byte', async () => {
    world.storeEtags.set('/ns/f', 'newer')
    const now = bytesOf(20_000, 5)
    world.beforeRefresh = () => world.put('/ns/f', now, { etag: 'newer', workers: [] })
    expect((await read(world.fileSystem())).equals(now)).toBe(true)
    expect(world.openCalls).toHaveLength(2)
  })

  test('does not go on with another version, nor for ever', async () => {
    world.beforeRead = async ({ offset }) => void (offset > 0 && world.storeEtags.set('/ns/f', 'newer'))
    const files = world.fileSystem()
    const got: number[] = []
    const reading = (async () => {
      for await (const chunk of fileBytes(files, '/ns/f', never)) {
        got.push(chunk.length)
        world.storeEtags.set('/ns/f', 'newer')
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    expect(got.length).toBeGreaterThan(0)
    world.openCalls.length = 0
    await expect(read(files)).rejects.toMatchObject({ code: 'aborted' })
    expect(world.openCalls).toHaveLength(2)
  })
})
