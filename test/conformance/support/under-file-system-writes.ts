// Why: writing, deleting and copying mean the same for every kind of store, real servers included.
// How: as under-file-system-suite.ts; a maker that can look for what failed writes leave behind
// says how.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { renameCases, type RenameUnderTest, replacingCases } from './under-file-system-renames.ts'
import { uploadCases } from './under-file-system-uploads.ts'
import { type StoreUnderTest, strangeKeys, testBytes } from './under-file-system-suite.ts'

const mebibyte = 1024 * 1024

export interface WritableStoreUnderTest extends StoreUnderTest, RenameUnderTest {
  /** Names of uploads or temporary files that are neither objects nor gone. */
  leftovers(): Promise<readonly string[]>
  /**
   * The store has no condition for the end of a multipart upload: of racing writers more than one
   * may win.
   */
  readonly racesUploads?: boolean
  /** It has none for replacing one version either. */
  readonly racesReplacements?: boolean
  /** The store has nothing but bytes. */
  readonly keepsNoMetadata?: boolean
}

/** Chunks of odd sizes. */
export async function* chunksOf(bytes: Uint8Array, chunkBytes = 700_001): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
}

export async function readObject(store: UnderFileSystem, key: string): Promise<Buffer> {
  const signal = new AbortController().signal
  const { etag, length } = await store.stat(key, signal)
  const chunks: Uint8Array[] = []
  for await (const chunk of store.read({ key, etag, offset: 0, length }, signal)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export function underFileSystemWrites(name: string, makeStore: () => Promise<WritableStoreUnderTest>): void {
  describe(`UnderFileSystem, writing: ${name}`, () => {
    const signal = new AbortController().signal
    let made: WritableStoreUnderTest
    const keysOf = async (): Promise<string[]> =>
      (await made.store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 1000 }, signal)).objects.map(
        ({ key }) => key,
      )
    const write = (
      key: string,
      bytes: Uint8Array,
      options: { overwrite?: boolean; partBytes?: number; replaces?: string } = {},
    ) => made.store.write(key, bytes.length, chunksOf(bytes), { overwrite: true, ...options }, signal)
    const expectContent = async (key: string, bytes: Buffer): Promise<void> =>
      expect(bytes.equals(await readObject(made.store, key)), `content of ${key}`).toBe(true)

    beforeAll(async () => {
      made = await makeStore()
    })
    afterEach(async () => {
      expect(await made.leftovers()).toEqual([])
      for (const key of await keysOf()) await made.store.delete(key, signal)
    })
    afterAll(async () => {
      await made?.close()
    })

    it.each([0, 1, 100_000, 5 * mebibyte, 5 * mebibyte + 1, 12 * mebibyte, 15 * mebibyte])(
      'writes %i bytes',
      async (length) => {
        const bytes = testBytes(length + 1, length)
        const written = await write('dir/written', bytes, { partBytes: 5 * mebibyte })
        expect(written).toMatchObject({ key: 'dir/written', length })
        expect(written.etag).toBe((await made.store.stat('dir/written', signal)).etag)
        await expectContent('dir/written', bytes)
        expect(await keysOf()).toEqual(['dir/written'])
      },
    )

    it('writes strange keys', async () => {
      for (const [index, key] of strangeKeys.filter((one) => made.holds?.(one) ?? true).entries()) {
        await write(key, testBytes(index, 50 + index))
        await expectContent(key, testBytes(index, 50 + index))
      }
    })

    it.each([1000, 6 * mebibyte])('stores metadata, and copies and moves them (%i bytes)', async (length) => {
      const metadata = {
        contentType: 'text/plain; charset=utf-8',
        userMetadata: { project: 'a  b', empty: '', 'x-y': 'Z' },
      }
      const kept = made.keepsNoMetadata === true ? undefined : metadata
      const bytes = testBytes(length, length)
      const options = { overwrite: true, partBytes: 5 * mebibyte }
      const written = await made.store.write('m', length, chunksOf(bytes), { ...options, metadata }, signal)
      expect(written.metadata).toEqual(kept)
      expect((await made.store.stat('m', signal)).metadata).toEqual(kept)
      expect((await made.store.copy('m', 'copied', signal)).metadata).toEqual(kept)
      expect((await made.store.rename('m', 'moved', written.etag, signal)).metadata).toEqual(kept)
      await made.store.write('m', length, chunksOf(bytes), options, signal)
      expect((await made.store.stat('m', signal)).metadata).toEqual(made.keepsNoMetadata === true ? undefined : {})
    })

    it.each([1000, 6 * mebibyte])('overwrites only when it may (%i bytes)', async (length) => {
      const [first, second, third] = [testBytes(1, 3000), testBytes(2, length), testBytes(3, length)]
      const { etag } = await write('key', first, { overwrite: false })
      await expect(write('key', second, { overwrite: false, partBytes: 1 })).rejects.toMatchObject({
        code: 'already_exists',
      })
      expect((await made.store.stat('key', signal)).etag).toBe(etag)
      await expectContent('key', first)
      await write('key', third, { partBytes: 1 })
      await expectContent('key', third)
    })

    it.each([1000, 6 * mebibyte])(
      'replaces only the version that it is to replace, or none (%i bytes)',
      async (length) => {
        const [first, second, third] = [testBytes(1, 3000), testBytes(2, length), testBytes(3, length)]
        const { etag: old } = await write('key', first)
        const { etag } = await write('key', second, { replaces: old, partBytes: 1 })
        await expectContent('key', second)
        await expect(write('key', third, { replaces: old, partBytes: 1 })).rejects.toMatchObject({
          code: 'aborted',
          reason: 'object_changed',
        })
        await expectContent('key', second)
        await expect(made.store.delete('key', signal, old)).rejects.toMatchObject({ reason: 'object_changed' })
        await made.store.delete('key', signal, etag)
        await made.store.delete('key', signal, etag)
        expect(await keysOf()).toEqual([])
        await write('key', third, { replaces: etag, partBytes: 1 })
        await expectContent('key', third)
      },
    )

    it('lets one of several writers win that replace the same version', async () => {
      const { etag } = await write('key', testBytes(1, 3000))
      const contents = [11, 12, 13].map((seed) => testBytes(seed, 4000))
      const results = await Promise.allSettled(contents.map((bytes) => write('key', bytes, { replaces: etag })))
      const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
      if (made.racesReplacements !== true) expect(winners.length).toBe(1)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ reason: 'object_changed' })
      if (winners.length === 1) await expectContent('key', contents[winners[0]!]!)
    })

    it.each([1000, 6 * mebibyte])(
      'lets one of several writers that must not overwrite win (%i bytes)',
      async (length) => {
        if (made.racesUploads === true && length > mebibyte) return
        const contents = [11, 12, 13, 14].map((seed) => testBytes(seed, length))
        const results = await Promise.allSettled(
          contents.map((bytes) => write('raced', bytes, { overwrite: false, partBytes: 1 })),
        )
        const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
        expect(winners.length).toBe(1)
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'already_exists' })
        await expectContent('raced', contents[winners[0]!]!)
      },
    )

    it.each([1000, 12 * mebibyte])('leaves nothing of a write that failed (%i bytes)', async (length) => {
      const bytes = testBytes(4, length)
      const options = { overwrite: true, partBytes: 5 * mebibyte }
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, Math.floor(length * 0.8))
        throw new SkeinError('data_loss', 'the source broke')
      }
      await expect(made.store.write('failed', length, failing(), options, signal)).rejects.toMatchObject({
        code: 'data_loss',
      })
      for (const announced of [length - 1, length + 1])
        await expect(made.store.write('failed', announced, chunksOf(bytes), options, signal)).rejects.toMatchObject({
          code: 'invalid_argument',
        })
      const stop = new AbortController()
      const stopping = async function* (): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, length - 1)
        stop.abort(new SkeinError('cancelled', 'stop'))
        yield bytes.subarray(length - 1)
      }
      await expect(made.store.write('failed', length, stopping(), options, stop.signal)).rejects.toMatchObject({
        code: 'cancelled',
      })
      expect(await keysOf()).toEqual([])
    })

    it('leaves the old object when overwriting it fails', async () => {
      const old = testBytes(5, 4000)
      await write('old', old)
      await expect(
        made.store.write('old', 9000, chunksOf(testBytes(6, 8999)), { overwrite: true }, signal),
      ).rejects.toMatchObject({
        code: 'invalid_argument',
      })
      await expectContent('old', old)
    })

    it('deletes, again and again', async () => {
      await write('a/b/c', testBytes(7, 10))
      await made.store.delete('a/b/c', signal)
      await expect(made.store.stat('a/b/c', signal)).rejects.toMatchObject({ code: 'not_found' })
      await made.store.delete('a/b/c', signal)
      await made.store.delete('never/was', signal)
    })

    const cases = { made: () => made, write, expectContent, keysOf }
    renameCases(cases)
    describe('an upload of unknown length', () => uploadCases({ made: () => made, expectContent, keysOf }))
    describe('a rename that replaces', () => replacingCases(cases, () => made.racesReplacements === true))

    it('copies, over another object too, and renames', async () => {
      const bytes = testBytes(8, 300_000)
      await write('from/with blank+plus', bytes)
      await write('to/there', testBytes(9, 5))
      expect(await made.store.copy('from/with blank+plus', 'to/there', signal)).toMatchObject({
        key: 'to/there',
        length: 300_000,
      })
      await expectContent('to/there', bytes)
      await made.store.copy('to/there', 'new/ünïcödé/place', signal)
      await expectContent('new/ünïcödé/place', bytes)
      const { etag } = await made.store.stat('to/there', signal)
      expect(await made.store.rename('to/there', 'moved/here', etag, signal)).toMatchObject({
        key: 'moved/here',
        length: 300_000,
      })
      await expectContent('moved/here', bytes)
      expect(await keysOf()).toEqual(['from/with blank+plus', 'moved/here', 'new/ünïcödé/place'])
      await expect(made.store.copy('nothing', 'x', signal)).rejects.toMatchObject({ code: 'not_found' })
      await expect(made.store.rename('nothing', 'x', etag, signal)).rejects.toMatchObject({ code: 'not_found' })
      await made.store.rename('moved/here', 'moved/here', (await made.store.stat('moved/here', signal)).etag, signal)
      await expectContent('moved/here', bytes)
    })

    it('stops before it begins when it is told to', async () => {
      const stopped = AbortSignal.abort(new SkeinError('cancelled', 'stop'))
      await write('kept', testBytes(1, 10))
      await expect(
        made.store.write('x', 1, chunksOf(testBytes(1, 1)), { overwrite: true }, stopped),
      ).rejects.toMatchObject({
        code: 'cancelled',
      })
      await expect(made.store.delete('kept', stopped)).rejects.toMatchObject({ code: 'cancelled' })
      expect(await keysOf()).toEqual(['kept'])
    })
  })
}
