// Why: an object of unknown length means the same at every store: nothing is seen before its end,
// its end is one step, and nothing is left of one that is given up. How: cases of the suite for
// writing (under-file-system-writes.ts).
import { expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ObjectUpload, UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { testBytes } from './under-file-system-suite.ts'

const mebibyte = 1024 * 1024

export interface UploadsUnderTest {
  readonly store: UnderFileSystem
  leftovers(): Promise<readonly string[]>
  readonly racesUploads?: boolean
  readonly keepsNoMetadata?: boolean
}

export interface UploadCases {
  readonly made: () => UploadsUnderTest
  readonly expectContent: (key: string, bytes: Buffer) => Promise<void>
  readonly keysOf: () => Promise<string[]>
}

export function uploadCases({ made, expectContent, keysOf }: UploadCases): void {
  const signal = new AbortController().signal
  const begin = (key: string, ending = signal): Promise<ObjectUpload> =>
    made().store.beginUpload(key, { partBytes: 5 * mebibyte }, ending)
  const give = async (upload: ObjectUpload, bytes: Uint8Array, chunkBytes = 700_001): Promise<void> => {
    for (let at = 0; at < bytes.length; at += chunkBytes) await upload.write(bytes.subarray(at, at + chunkBytes))
  }
  const uploaded = async (key: string, bytes: Uint8Array): Promise<ObjectUpload> => {
    const upload = await begin(key)
    await give(upload, bytes)
    await upload.seal()
    return upload
  }
  const isNew = { overwrite: false }
  const lengths = [1, 100_000, mebibyte, mebibyte + 1, 5 * mebibyte - 1, 5 * mebibyte, 5 * mebibyte + 1, 16 * mebibyte]

  it.each([0, ...lengths])('makes an object of %i bytes, which is seen at its end only', async (length) => {
    const bytes = testBytes(length + 1, length)
    const upload = await uploaded('dir/up', bytes)
    expect(upload.length).toBe(length)
    expect(await keysOf()).toEqual([])
    const finished = await upload.finish(isNew, signal)
    expect(finished).toMatchObject({ key: 'dir/up', length })
    expect(finished.etag).toBe((await made().store.stat('dir/up', signal)).etag)
    await expectContent('dir/up', bytes)
    expect(await upload.finish(isNew, signal)).toEqual(finished)
    await upload.abort()
    await expectContent('dir/up', bytes)
  })

  it('takes bytes whose memory is used again', async () => {
    const bytes = testBytes(3, 6 * mebibyte)
    const upload = await begin('reused')
    const memory = Buffer.alloc(10_007)
    for (let at = 0; at < bytes.length; at += memory.length) {
      const length = bytes.copy(memory, 0, at, at + memory.length)
      await upload.write(memory.subarray(0, length))
      memory.fill(0)
    }
    await upload.finish(isNew, signal)
    await expectContent('reused', bytes)
  })

  it.each([1000, 6 * mebibyte])('stores metadata with it (%i bytes)', async (length) => {
    const metadata = { contentType: 'text/plain', userMetadata: { project: 'a  b' } }
    const upload = await made().store.beginUpload('m', { metadata }, signal)
    await give(upload, testBytes(1, length))
    const finished = await upload.finish(isNew, signal)
    expect(finished.metadata ?? undefined).toEqual(made().keepsNoMetadata === true ? undefined : metadata)
  })

  it.each([1000, 6 * mebibyte])('replaces what it may replace only (%i bytes)', async (length) => {
    const [first, second, third] = [testBytes(1, 3000), testBytes(2, length), testBytes(3, length)]
    const { etag: old } = await (await uploaded('key', first)).finish(isNew, signal)
    const refused = await uploaded('key', second)
    await expect(refused.finish(isNew, signal)).rejects.toMatchObject({ code: 'already_exists' })
    await expectContent('key', first)
    const { etag } = await refused.finish({ overwrite: true, replaces: old }, signal)
    await expectContent('key', second)
    const late = await uploaded('key', third)
    const stale = { overwrite: true, replaces: old }
    await expect(late.finish(stale, signal)).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    await expectContent('key', second)
    await made().store.delete('key', signal, etag)
    await late.finish(stale, signal)
    await expectContent('key', third)
    await (await uploaded('key', first)).finish({ overwrite: true }, signal)
    await expectContent('key', first)
  })

  it.each([0, 1000, 12 * mebibyte])('leaves nothing of one that is given up (%i bytes)', async (length) => {
    const sealed = await uploaded('a/b/up', testBytes(1, length))
    await sealed.abort()
    await sealed.abort()
    await expect(sealed.finish(isNew, signal)).rejects.toMatchObject({ code: 'cancelled' })
    await expect(sealed.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'cancelled' })
    const open = await begin('a/b/up')
    await give(open, testBytes(1, length))
    await open.abort()
    const folder = { prefix: '', delimiter: '/' as const, after: undefined, limit: 10 }
    expect(await made().store.list(folder, signal)).toMatchObject({ objects: [], prefixes: [] })
    expect(await made().leftovers()).toEqual([])
  })

  it('is given up while its bytes come, and while it is told to stop', async () => {
    const upload = await begin('ended')
    const giving = give(upload, testBytes(1, 12 * mebibyte))
    const ended = expect(giving).rejects.toMatchObject({ code: 'cancelled' })
    await upload.abort()
    await ended
    const stop = new AbortController()
    const stopped = await begin('stopped', stop.signal)
    await give(stopped, testBytes(1, 6 * mebibyte))
    stop.abort(new SkeinError('cancelled', 'stop'))
    await expect(stopped.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'cancelled' })
    await expect(stopped.finish(isNew, signal)).rejects.toMatchObject({ code: 'cancelled' })
    await stopped.abort()
    expect(await keysOf()).toEqual([])
  })

  it('can be finished after a call that was ended', async () => {
    const upload = await uploaded('again', testBytes(1, 6 * mebibyte))
    const ended = AbortSignal.abort(new SkeinError('cancelled', 'stop'))
    await expect(upload.finish(isNew, ended)).rejects.toMatchObject({ code: 'cancelled' })
    await upload.finish(isNew, signal)
    await expectContent('again', testBytes(1, 6 * mebibyte))
  })

  it.each([1000, 6 * mebibyte])('lets one of several of the same key win (%i bytes)', async (length) => {
    if (made().racesUploads === true && length > mebibyte) return
    const contents = [11, 12, 13, 14].map((seed) => testBytes(seed, length))
    const uploads = await Promise.all(contents.map((bytes) => uploaded('raced', bytes)))
    const results = await Promise.allSettled(uploads.map((upload) => upload.finish(isNew, signal)))
    const winners = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
    expect(winners.length).toBe(1)
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'already_exists' })
    await Promise.all(uploads.map((upload) => upload.abort()))
    await expectContent('raced', contents[winners[0]!]!)
  })

  it('refuses a key that no object can have', async () => {
    await expect(begin('')).rejects.toMatchObject({ code: 'invalid_argument' })
  })
}
